"""What stands beside the board: never cut off where it matters, and sums that are whole."""

import re

import chess
import pytest

from agent.engine.report import Line, Report, apportion
from agent.play.game import Game
from agent.terminal.panels import player_line, score_bar

NAMES = (
    "You",
    "ZeroMass, about 1200 Elo",
    "ZeroMass, 1000000 simulations",
    "Stockfish 15.1 by the Stockfish developers",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("minutes", "clock"), [(1, "1:00.0"), (90, "90:00.0"), (0.99999, "0:59.9")])
@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "4k3/8/8/8/8/8/8/4K2R w - - 0 1"])
def test_a_player_fits_in_the_columns_there_are(name: str, minutes: float, clock: str, fen: str) -> None:
    game = Game(chess.Board(), minutes=minutes)
    game.board.set_fen(fen)
    line = player_line(game, chess.WHITE, name, 34, figurines=True).plain
    assert f" {clock} " in f"{line[:34]} "
    assert line.split()[1].startswith(name[:3])
    assert len(line.rstrip()) <= 34 or fen != chess.STARTING_FEN


@pytest.mark.parametrize("total", [0, 1, 34, 40, 100])
def test_shares_sum_to_the_whole_and_are_rounded(total: int) -> None:
    for win in range(0, 1001, 5):
        for draw in range(0, 1001 - win, 45):
            parts = (win, draw, 1000 - win - draw)
            shares = apportion(parts, total)
            assert sum(shares) == total
            assert all(abs(share - total * part / 1000) < 1 for share, part in zip(shares, parts, strict=True))


@pytest.mark.parametrize(("draws", "score"), [(0.01, 0.0), (0.33, 0.005), (None, 0.011), (0.335, 0.0), (0.99, 0.0)])
@pytest.mark.parametrize("mover", chess.COLORS)
def test_percentages_sum_to_100(draws: float | None, score: float, mover: chess.Color) -> None:
    line = Line((chess.Move.from_uci("e2e4"),), score, 1.0, 1.0, 5, draws, 0)
    bar, words = score_bar(Report((line,), 5, 0.1, 1.0, 1, 0.0), mover, 37).plain.split("\n")
    assert len(bar) == 37
    assert sum(map(int, re.findall(r"(\d+) %", words))) == 100
