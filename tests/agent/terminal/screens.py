"""The screens of `zeromass play` whose pictures are kept: `python -m tests.agent.terminal.screens` draws them anew.

Textual's pilot plays, Textual draws SVG. The agent's thoughts are invented, so that a picture depends on nothing but
the code of the board."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import chess
from textual.widgets import Input

from agent.engine.agent import Agent
from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Line, Report
from agent.play.level import Level
from agent.terminal.app import BoardApp
from agent.terminal.squares import Squares
from agent.terminal.view import BoardSession
from tests.agent.standin import Scripted

KEPT = Path(__file__).parents[2] / "data" / "screens"


class Thoughtful(Scripted):
    """Plays the script, with thoughts of three moves that are always the same in the same position."""

    def think(self, board: chess.Board, limits: Limits, options: ThinkOptions | None = None, **rest: Any) -> Report:
        best = super().think(board, limits, options, **rest).best.move
        others = sorted((move for move in board.legal_moves if move != best), key=chess.Move.uci)[:2]
        lines = []
        for place, move in enumerate([best, *others]):
            after = board.copy(stack=False)
            after.push(move)
            answer = sorted(after.legal_moves, key=chess.Move.uci)[:1]
            lines.append(Line((move, *answer), 0.2 - 0.3 * place, 0.5 / (place + 1), 5000 >> place, 0.3, 0))
        return Report(tuple(lines), 8750, 0.125, 4.0, 11, 0.001)


@dataclass(frozen=True)
class Screen:
    """What is shown: typed lines, then clicks on squares."""

    name: str
    lines: Sequence[str] = ()
    clicks: Sequence[chess.Square] = ()
    answers: str = ""  # the agent's moves
    fen: str = chess.STARTING_FEN
    size: tuple[int, int] = (126, 36)


_ITALIAN = ("e4", "Nf3", "Bc4", "Bxf7+")
_ANSWERS = "e7e5 b8c6 g8f6 e8f7"
SCREENS = (
    Screen("start"),
    Screen("thoughts", _ITALIAN, answers=_ANSWERS),
    Screen("selected", ("e4",), [chess.G1], "d7d5"),
    Screen("promotion", (), [chess.A7, chess.A8], fen="7k/P7/8/8/8/8/8/K7 w - - 0 1"),
    Screen("check", ("d4", "c4"), (), "e7e6 f8b4"),
    Screen("ascii", ("theme ascii", *_ITALIAN), answers=_ANSWERS),
    Screen("colour-blind", ("theme colour-blind", *_ITALIAN), [chess.E1], _ANSWERS),
    Screen("over", ("clock 5+3", "e4", "Qh5", "Bc4", "Qxf7"), answers="e7e5 b8c6 g8f6"),
    Screen("help", ("help",)),
    Screen("standard", _ITALIAN, answers=_ANSWERS, size=(80, 24)),
    Screen("undone", ("clock 1+0", *_ITALIAN, "undo", "undo", "undo", "undo"), answers=_ANSWERS, size=(80, 24)),
    Screen("declined", ("e4", "draw"), answers="e7e5", size=(80, 24)),
    Screen("think", ("clock 10+0", *_ITALIAN, "think"), answers=_ANSWERS, size=(80, 24)),
    Screen("narrow", ("e4",), answers="e7e5", size=(60, 30)),
    Screen("tiny", ("e4",), answers="e7e5", size=(40, 12)),
)


def offset_of(squares: Squares, square: chess.Square) -> tuple[int, int]:
    """A cell of a square, from the widget's corner."""
    wide, high = squares.outer
    return next((x, y) for x in range(wide) for y in range(high) if squares.square_at(x, y) == square)


async def picture(app: BoardApp, screen: Screen) -> str:
    """The screen as SVG, once `app` has done what `screen` says."""
    async with app.run_test(size=screen.size) as pilot:
        for line in screen.lines:
            app.action_obey(line)
            for _ in range(3000):
                if app.session.mover is None:
                    break
                await pilot.pause(0.02)
        squares = app.query_one(Squares)
        for square in screen.clicks:
            await pilot.click(squares, offset=offset_of(squares, square))
            await pilot.pause()
        app.query_one("#line", Input).cursor_blink = False
        shots: list[str] = []
        while len(shots) < 3 or len(set(shots[-3:])) > 1:  # a busy machine draws late
            assert len(shots) < 100, "the screen does not come to rest"
            await pilot.pause(0.1)
            await pilot.wait_for_scheduled_animations()
            drawn = app.export_screenshot(title="zeromass play")
            shots.append(re.sub(r"terminal-\d+", "terminal", drawn))  # ids of classes differ between drawings
        return shots[-1]


def text_of(svg: str) -> list[str]:
    """The screen's lines of text, as one would read them off: what `svg` shows, column by column."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        if node.get("clip-path"):
            rows.setdefault(float(node.get("y", "0")), []).append((float(node.get("x", "0")), node.text or ""))
    lines = []
    for _, parts in sorted(rows.items()):
        line = ""
        for x, words in sorted(parts):
            line = line.ljust(round(x / 12.2)) + words.replace("\xa0", " ")
        lines.append(line.rstrip())
    return lines


def draw(screen: Screen) -> str:
    """Play the screen with the invented agent, and draw it."""
    agent = Agent(Thoughtful(screen.answers), "the bundled weights", identity="sha256:0")
    with mock.patch("agent.play.game.time", SimpleNamespace(monotonic=lambda: 0.0)):  # clocks stand still
        app = BoardApp(BoardSession(agent, chess.Board(screen.fen), chess.WHITE, level=Level(simulations=8)))
        return asyncio.run(picture(app, screen))


def main() -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    for screen in SCREENS:
        (KEPT / f"{screen.name}.svg").write_text(draw(screen))


if __name__ == "__main__":
    main()
