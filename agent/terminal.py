"""A game against the agent in plain text: over a pipe or in any terminal.

A line of input is a command or a move. What cannot be played is refused with a sentence and asked for again.
"""

import contextlib
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import ClassVar, Final

import chess
import chess.pgn

from agent.console import Streams, draw_board
from agent.engine.limits import Limits
from agent.notation import MoveError, read_move
from agent.opponent import Opponent, load_opponent

SIMULATIONS: Final = 256
"""Of a move, unless somebody says otherwise."""

_HELP = """\
A move: e4, Nf3, exd5, O-O, e8=Q, or by squares: e2e4, g1f3, e7e8q.
help    this list             moves   your legal moves
undo    take back your move   hint    what the agent would play for you
resign  give up               draw    claim one (threefold repetition, 50 moves)
fen     the position          pgn     the game so far
flip    turn the board        new     another game
quit    leave
Expected scores run from -1 (lost) over 0 (even) to +1 (won)."""


@dataclass
class Dialogue:
    """One person against the agent.

    Args:
        opponent: the agent.
        streams: to the person.
        start: the position that games start from, `new` ones too.
        person: the colour that the person plays.
    """

    opponent: Opponent
    streams: Streams
    start: chess.Board
    person: chess.Color
    board: chess.Board = field(init=False)
    flipped: bool = field(init=False)
    result: str = field(init=False, default="*")
    reason: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.board = self.start.copy()
        self.flipped = self.person == chess.BLACK

    def run(self) -> None:
        """Play until the game is over (a person may go on with another), `quit`, or the end of input."""
        say = self.streams.say
        for warning in self.opponent.warnings:
            say(f"{warning}.")
        say(f"You are {_name(self.person)} against {self.opponent.origin}. Type a move, or help.")
        self._show()
        while True:
            self._settle()
            if self.result != "*" and not self._go_on_after_game():
                return
            if self.result == "*" and self.board.turn != self.person:
                self._agent_moves()
                continue
            line = self.streams.ask(self._prompt())
            if line is None:
                say("End of input; the game is left here." if self.result == "*" else "")
                return
            if line.strip() and not self._answer(line.strip()):
                return

    def _prompt(self) -> str:
        if self.result != "*":
            return "new, undo, pgn or quit:"
        check = ", you are in check" if self.board.is_check() else ""
        return f"{self.board.fullmove_number}{'.' if self.person == chess.WHITE else '...'} your move{check}:"

    def _answer(self, line: str) -> bool:
        """Obey a command or play a move; False: leave."""
        word = line.lower()
        if word in ("quit", "exit", "q"):
            return False
        command = self._commands.get("help" if word == "?" else word)
        if command is not None:
            command(self)
        elif self.result != "*":
            self.streams.say(f"The game is over, so '{line[:40]}' cannot be played; type new, undo, pgn or quit.")
        else:
            self._person_moves(line)
        return True

    def _person_moves(self, line: str) -> None:
        try:
            move = read_move(self.board, line, commands=[*self._commands, "quit"])
        except MoveError as error:
            self.streams.say(f"{error}{'' if str(error).endswith('?') else '.'}")
            return
        self.board.push(move)

    def _agent_moves(self) -> None:
        thought = self.opponent.think(self.board, Limits(simulations=SIMULATIONS)).best
        # As a person would: a draw at hand beats a game that stands worse.
        if thought.score is not None and thought.score < 0 and self._claimable():
            self._end("1/2-1/2", f"the agent claims {self._claimable()}")
            return
        number = f"{self.board.fullmove_number}{'.' if self.board.turn == chess.WHITE else '...'}"
        self.streams.say(f"Agent: {number} {self.board.san(thought.move)}{_expected(thought.score)}")
        self.board.push(thought.move)
        self._show()

    def _settle(self) -> None:
        """Note the end of the game by the rules of chess."""
        outcome = self.board.outcome()
        if self.result == "*" and outcome is not None:
            reason = outcome.termination.name.lower().replace("_", " ")
            who = "draw" if outcome.winner is None else f"{_name(outcome.winner)} wins"
            self._end(outcome.result(), f"{who} by {reason}")

    def _end(self, result: str, reason: str) -> None:
        self.result, self.reason = result, reason
        moves = (len(self.board.move_stack) + 1) // 2
        self._show()
        self.streams.say(f"Result: {result} ({reason}, {moves} move{'' if moves == 1 else 's'}).")

    def _go_on_after_game(self) -> bool:
        if not self.streams.person:
            self.streams.say("Play again: zeromass play --plain")
        return self.streams.person

    def _claimable(self) -> str:
        """The draw that the side to move can claim in this position, in words; empty if none."""
        if self.board.is_repetition(3):
            return "threefold repetition"
        return "50 moves without capture or pawn move" if self.board.is_fifty_moves() else ""

    def _show(self) -> None:
        self.streams.say(draw_board(self.board, flipped=self.flipped, figurines=self.streams.figurines))

    def _help(self) -> None:
        self.streams.say(_HELP)

    def _moves(self) -> None:
        self.streams.say(" ".join(sorted(self.board.san(move) for move in self.board.legal_moves)) or "None.")

    def _undo(self) -> None:
        """Take back to the person's previous turn (a resignation or claim alone is taken back first)."""
        if self.result != "*" and self.board.turn == self.person and self.board.outcome() is None:
            plies = 0
        else:
            plies = 1 if self.board.turn != self.person else 2
        if plies > len(self.board.move_stack):
            self.streams.say("There is no move of yours to take back.")
            return
        for _ in range(plies):
            self.board.pop()
        self.result, self.reason = "*", ""
        self._show()

    def _hint(self) -> None:
        if self.result == "*":
            thought = self.opponent.think(self.board, Limits(simulations=SIMULATIONS)).best
            self.streams.say(f"Hint: {self.board.san(thought.move)}{_expected(thought.score, 'you')}")
        else:
            self.streams.say("The game is over.")

    def _resign(self) -> None:
        if self.result == "*":
            result = "0-1" if self.person == chess.WHITE else "1-0"
            self._end(result, f"{_name(self.person)} resigns")
        else:
            self.streams.say("The game is over.")

    def _draw(self) -> None:
        reason = self._claimable()
        if self.result != "*":
            self.streams.say("The game is over.")
        elif reason:
            self._end("1/2-1/2", f"draw by {reason}")
        else:
            self.streams.say(
                "No draw can be claimed here: the position has not stood three times, and the last 50 moves "
                "had a capture or a pawn move."
            )

    def _fen(self) -> None:
        self.streams.say(self.board.fen())

    def _flip(self) -> None:
        self.flipped = not self.flipped
        self._show()

    def _new(self) -> None:
        self.board, self.result, self.reason = self.start.copy(), "*", ""
        self._show()

    def _pgn(self) -> None:
        self.streams.say(self.pgn())

    def pgn(self) -> str:
        """The game so far as PGN."""
        game = chess.pgn.Game.from_board(self.board)
        sides = {self.person: "You", not self.person: f"ZeroMass ({self.opponent.origin})"}
        game.headers["Event"] = "zeromass play"
        game.headers["White"], game.headers["Black"] = sides[chess.WHITE], sides[chess.BLACK]
        game.headers["Result"] = self.result
        if self.reason:
            game.headers["Termination"] = self.reason
        return str(game)

    _commands: ClassVar[Mapping[str, Callable[["Dialogue"], None]]] = {
        "help": _help,
        "moves": _moves,
        "undo": _undo,
        "hint": _hint,
        "resign": _resign,
        "draw": _draw,
        "fen": _fen,
        "flip": _flip,
        "new": _new,
        "pgn": _pgn,
    }


def play_command(start: chess.Board | None, side: str, weights: Path | None, run: str | None, seed: int | None) -> int:
    """`zeromass play` on standard input and output; returns the exit code.

    Args:
        start: None is the standard start.
        side: `white`, `black` or `random`.
        weights: a weights file, if named.
        run: a run, if named.
        seed: fixes a random side and an untrained network; None: the side differs from call to call.

    Raises:
        InputError: the weights or the run cannot be used.
    """
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a stray byte is an unreadable move, not a crash
    person = sys.stdin.isatty() and sys.stdout.isatty()
    if person:
        with contextlib.suppress(ImportError):  # not everywhere
            import readline  # noqa: F401  (gives `input` its line editing)
    streams = Streams(sys.stdin, sys.stdout, person)
    color = random.Random(seed).random() < 0.5 if side == "random" else side == "white"
    opponent = load_opponent(weights, run, seed=seed or 0, progress=streams.say)
    Dialogue(opponent, streams, start or chess.Board(), color).run()
    return 0


def _expected(score: float | None, whom: str = "the agent") -> str:
    return "" if score is None else f" (expected score {round(score, 2) + 0.0:+.2f} for {whom})"


def _name(color: chess.Color) -> str:
    return chess.COLOR_NAMES[color].capitalize()
