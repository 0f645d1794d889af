"""A game against the agent in plain text: over a pipe, to a screen reader, or in any terminal. A line of input is a
command or a move. A move that cannot be played is answered by a sentence and asked for again."""

import contextlib
import os
import random
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import chess

from agent.engine.agent import load_agent
from agent.engine.limits import Control
from agent.errors import InputError
from agent.notation import move_number, side_name
from agent.play.commands import obey
from agent.play.session import Session
from agent.play.sides import Side
from agent.program import program

_LETTERS = str.maketrans({symbol: letter for letter, symbol in chess.UNICODE_PIECE_SYMBOLS.items()} | {"·": "."})


def draw_board(board: chess.Board, *, flipped: bool = False, figurines: bool = True) -> str:
    """The board as ten lines, White below unless `flipped`; letters (white upper case) without `figurines`."""
    squares = board.unicode(empty_square="·", orientation=not flipped)
    ranks, files = ("12345678", "h g f e d c b a") if flipped else ("87654321", "a b c d e f g h")
    rows = [f"{rank} {row}" for rank, row in zip(ranks, squares.splitlines(), strict=True)]
    return "\n".join(["", *(rows if figurines else [row.translate(_LETTERS) for row in rows]), f"  {files}"])


@dataclass
class Dialogue(Session):
    """One person against the agent, line by line; see `Session`. Where the input is a keyboard, prompts stay on the
    line, and another game may follow; else prompts end their line, and the program ends with the game."""

    input: TextIO = field(kw_only=True)
    output: TextIO = field(kw_only=True)
    keyboard: bool = field(default=False, kw_only=True)

    def say(self, text: str) -> None:
        """One or more lines, at once."""
        print(text, file=self.output, flush=True)

    def ask(self, prompt: str) -> str | None:
        """One line without its end, or None at the end of input."""
        if self.keyboard:
            try:
                return input(f"{prompt} ").strip()  # with line editing where readline is available
            except EOFError:
                self.say("")
                return None
        self.say(prompt)
        line = self.input.readline()
        return line.strip() if line else None

    def show(self) -> None:
        """The board in ten lines, with the clocks where there are any."""
        encoding = self.output.encoding or "utf-8"
        shown = "♔♟·".encode(encoding, "replace").decode(encoding) == "♔♟·"
        figurines = self.theme != "ascii" and shown
        self.say(draw_board(self.board, flipped=self.flipped, figurines=figurines))
        if self.game.minutes is not None:
            left = (f"{side_name(color)} {self.game.seconds_left(color) or 0:.1f} s" for color in chess.COLORS)
            self.say(", ".join(left))

    def run(self) -> None:
        """Play until the game is over (a person may go on with another), `quit`, or the end of input."""
        for warning in self.agent.warnings:
            self.say(f"{warning}.")
        self.say(f"You are {side_name(self.person)} against {self.agent.origin}. Type a move, or help.")
        self.show()
        self.game.settle()
        self.announce()
        while True:
            if self.game.over and not self.keyboard:
                self.say(f"Play again: {program()} play --plain")
                return
            self.game.run_clock()
            if self.mover is not None:
                self._let_choose(self.mover)
                continue
            line = self.ask(self._prompt())
            if line is None:
                self.say("End of input; the game is left here." if not self.game.over else "")
                return
            if not self.flag() and line and not obey(self, line):
                return

    def _let_choose(self, side: Side) -> None:
        try:
            chosen = self.choose(side, Control())
        except InputError as error:
            self.say(f"{error}.")
            obey(self, "engine off")
        else:
            self.apply(chosen)

    def _prompt(self) -> str:
        if self.game.over:
            return "new, undo, pgn or quit:"
        check = ", you are in check" if self.board.is_check() else ""
        return f"{move_number(self.board)} your move{check}:"


def play_command(
    start: chess.Board | None,
    side: str,
    weights: Path | None,
    run: str | None,
    seed: int | None,
    plain: bool,
    **options: Any,
) -> int:
    """`zeromass play`; returns the exit code. An InputError where the weights or the run cannot be used. `start` None
    is the standard start, `side` `white`, `black` or `random`. With `plain` it plays line by line, else on the board,
    where there is a terminal. `options` are fields of `Session`; None: the default."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    plain = plain or os.environ.get("TERM", "dumb") in ("dumb", "unknown")  # no cursor movement
    color = random.Random(seed).random() < 0.5 if side == "random" else side == "white"
    if terminal:
        print("Loading the agent ...", flush=True)
    agent = load_agent(weights, run, progress=partial(print, flush=True))
    options = {name: value for name, value in options.items() if value is not None}
    options |= {"seed": random.Random(seed).getrandbits(31), "load": lambda name: load_agent(run=name)}
    start = start or chess.Board()
    if terminal and not plain:
        from agent.terminal.app import BoardApp
        from agent.terminal.view import BoardSession

        BoardApp(BoardSession(agent, start, color, **options)).run()
        return 0
    if terminal:
        with contextlib.suppress(ImportError):  # not everywhere
            import readline  # noqa: F401  (gives `input` its line editing)
    dialogue = Dialogue(agent, start, color, input=sys.stdin, output=sys.stdout, keyboard=terminal, **options)
    try:
        dialogue.run()
    finally:
        dialogue.close()
    return 0
