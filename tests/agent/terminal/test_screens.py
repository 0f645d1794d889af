"""The screens look as the pictures that are kept; `python -m tests.agent.terminal.screens` draws those anew."""

import difflib

import chess
import pytest

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
    ranks = [line.split()[0] for line in lines if line.split() and line.split()[0] in "87654321"]
    assert ranks == list("87654321")
    assert "a move (e4, e7e8q) or help" in shown
    assert "Agent: " in shown
