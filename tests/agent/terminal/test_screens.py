"""The screens look as the pictures that are kept; `python -m tests.agent.terminal.screens` draws those anew."""

import difflib
import re

import chess
import pytest

from agent.engine.report import Line, Report
from agent.play.game import Game
from agent.terminal.panels import player_line, score_bar
from agent.terminal.squares import SIZES, Squares
from tests.agent.terminal.screens import KEPT, SCREENS, Screen, draw, text_of


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_screen_looks_as_it_did(screen: Screen) -> None:
    kept, now = (KEPT / f"{screen.name}.svg").read_text(), draw(screen)
    if now != kept:
        changed = list(difflib.unified_diff(text_of(kept), text_of(now), "kept", "now", lineterm="", n=0))
        told = "\n".join(changed) or "the text is the same; colours or places differ"
        pytest.fail(
            f"screen {screen.name} changed. If that is meant: python -m tests.agent.terminal.screens, and look at "
            f"tests/data/screens/{screen.name}.svg.\n{told}"
        )


def test_pictures_are_of_screens() -> None:
    assert {path.stem for path in KEPT.glob("*.svg")} == {screen.name for screen in SCREENS}


@pytest.mark.parametrize(
    ("room", "size"),
    [((200, 60), (6, 3)), ((50, 25), (6, 3)), ((49, 25), (4, 2)), ((34, 17), (4, 2)), ((9, 9), (3, 1))],
)
def test_squares_are_as_large_as_there_is_room(room: tuple[int, int], size: tuple[int, int]) -> None:
    squares = Squares(chess.Board())
    squares.fit(*room)
    assert (squares.wide, squares.high) == size
    assert size in SIZES


@pytest.mark.parametrize("name", ["standard", "narrow", "tiny"])
def test_small_terminals_show_what_one_needs(name: str) -> None:
    """The whole board, the line to type on, and what was said last."""
    lines = text_of((KEPT / f"{name}.svg").read_text())
    shown = "\n".join(lines)
    assert [line.split()[0] for line in lines if line.split() and line.split()[0] in "87654321"] == list("87654321")
    assert "a move (e4, e7e8q) or help" in shown
    assert "Agent: " in shown


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
        line = Line((chess.Move.from_uci("e2e4"),), score, 1.0, 5, draws, 0)
        bar, words = score_bar(Report((line,), 5, 0.1, 1.0, 1, 0.0), chess.BLACK, 37).plain.split("\n")
        percentages = [int(found) for found in re.findall(r"(\d+) %", words)]
        assert (len(bar), sum(percentages)) == (37, 100)
        assert abs(percentages[1] - 100 * (draws or 0.0)) < 1
