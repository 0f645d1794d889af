"""What stands beside the board: never cut off where it matters, and sums that are whole."""

import re

import chess
import pytest

from agent.engine.report import Line, Report
from agent.play.game import Game
from agent.terminal.panels import player_line, score_bar


@pytest.mark.parametrize("name", ["You", "ZeroMass, about 1200 Elo", "Stockfish 15.1 by the Stockfish developers"])
@pytest.mark.parametrize(("minutes", "clock"), [(1, "1:00.0"), (90, "90:00.0"), (0.99999, "0:59.9")])
def test_a_player_fits_in_the_columns_there_are(name: str, minutes: float, clock: str) -> None:
    game = Game(chess.Board(), minutes=minutes)
    game.board.remove_piece_at(chess.D8)
    line = player_line(game, chess.WHITE, name, 34, figurines=True).plain
    assert line.split()[1].startswith(name[:3])
    assert line.split()[-3:] == [clock, "♛", "+9"]
    assert len(line) <= 34


def test_percentages_sum_to_100_and_bars_to_their_width() -> None:
    for draws, score in ((0.01, 0.0), (0.33, 0.005), (None, 0.011), (0.335, 0.0), (0.99, 0.0), (0.0, -1.0)):
        line = Line((chess.Move.from_uci("e2e4"),), score, 1.0, 1.0, 5, draws, 0)
        bar, words = score_bar(Report((line,), 5, 0.1, 1.0, 1, 0.0), chess.BLACK, 37).plain.split("\n")
        percentages = [int(found) for found in re.findall(r"(\d+) %", words)]
        assert (len(bar), sum(percentages)) == (37, 100)
        assert abs(percentages[1] - 100 * (draws or 0.0)) < 1
