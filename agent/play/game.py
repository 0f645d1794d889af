"""The state of a game: moves, notes, result, clocks; and as PGN."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import chess
import chess.pgn

from agent.engine.limits import Clock
from agent.engine.report import Report
from agent.errors import InputError
from agent.notation import side_name
from agent.play.provenance import Source, mark_foreign, read_source, write_source
from agent.play.saved import PastedText, read_games
from agent.play.sides import Side
from agent.rules import PIECE_VALUES


@dataclass
class Game:
    """One game. `seed`: of the agents' noise; `minutes` on each clock, None: no clocks; `increment`: seconds a move."""

    start: chess.Board
    seed: int = 0
    minutes: float | None = None
    increment: float = 0.0
    board: chess.Board = field(init=False)
    result: str = field(init=False, default="*")
    reason: str = field(init=False, default="")
    notes: list[str] = field(init=False, default_factory=list)  # a comment a ply
    reports: list[Report | None] = field(init=False, default_factory=list)  # what the agent thought, one a ply

    def __post_init__(self) -> None:
        self.board = self.start.copy()
        self._left = dict.fromkeys(chess.COLORS, 60.0 * (self.minutes or 0.0))
        self._turn_began: float | None = None

    @property
    def over(self) -> bool:
        """Whether it has a result."""
        return self.result != "*"

    def play(self, move: chess.Move, note: str = "", report: Report | None = None) -> None:
        """Play a legal move."""
        self._charge(add=self.increment)
        self.board.push(move)
        self.notes.append(note)
        self.reports.append(report)
        self.settle()

    def settle(self) -> None:
        """Set the result if the game has ended by the rules of chess."""
        outcome = self.board.outcome()
        if not self.over and outcome is not None:
            reason = outcome.termination.name.lower().replace("_", " ")
            who = "draw" if outcome.winner is None else f"{side_name(outcome.winner)} wins"
            self.end(outcome.result(), f"{who} by {reason}")

    def end(self, result: str, reason: str) -> None:
        """Set the result."""
        self._charge()
        self.result, self.reason = result, reason

    def take_back(self, plies: int) -> None:
        """Undo `plies`, of which there must be as many, and any result."""
        for _ in range(plies):
            for stack in (self.board, self.notes, self.reports):
                stack.pop()
        self.result, self.reason, self._turn_began = "*", "", None

    def claimable(self) -> str:
        """The draw that the side to move can claim in this position, in words; empty if none."""
        if self.board.is_repetition(3):
            return "threefold repetition"
        return "50 moves without capture or pawn move" if self.board.is_fifty_moves() else ""

    def mark_foreign(self, color: chess.Color) -> None:
        """Another agent plays `color` from now on: mark the moves so far as those of the one before."""
        for ply, comment in enumerate(self.notes):
            if (self.start.turn == color) == (ply % 2 == 0):
                self.notes[ply] = mark_foreign(comment)

    def run_clock(self) -> None:
        """The mover's clock runs from now, if it does not already."""
        if self.minutes is not None and self._turn_began is None and not self.over:
            self._turn_began = time.monotonic()

    def seconds_left(self, color: chess.Color) -> float | None:
        """On that clock, now; None: there are no clocks."""
        if self.minutes is None:
            return None
        running = self._turn_began is not None and color == self.board.turn
        return self._left[color] - (time.monotonic() - (self._turn_began or 0.0) if running else 0.0)

    def clock(self) -> Clock | None:
        """The mover's."""
        left = self.seconds_left(self.board.turn)
        return None if left is None else Clock(max(left, 0.0), self.increment)

    def flag(self) -> bool:
        """End the game if the mover's time has run out; returns whether it has."""
        left = self.seconds_left(self.board.turn)
        if self.over or left is None or left > 0:
            return False
        other = not self.board.turn
        if self.board.has_insufficient_material(other):
            self.end("1/2-1/2", f"draw, {side_name(not other)}'s time is over but {side_name(other)} cannot mate")
        else:
            self.end("1-0" if other == chess.WHITE else "0-1", f"{side_name(other)} wins on time")
        return True

    def _charge(self, add: float = 0.0) -> None:
        if self._turn_began is not None:
            self._left[self.board.turn] += add - (time.monotonic() - self._turn_began)
            self._turn_began = None

    def captured(self, color: chess.Color) -> str:
        """Symbols of the pieces of `color` that were captured, the most valuable first."""
        return "".join(
            chess.Piece(kind, color).symbol()
            * max(len(self.start.pieces(kind, color)) - len(self.board.pieces(kind, color)), 0)
            for kind in (chess.QUEEN, chess.ROOK, chess.BISHOP, chess.KNIGHT, chess.PAWN)
        )

    def lead(self, color: chess.Color) -> int:
        """Material of `color` less that of the other side, in pawns."""
        return sum(
            worth * (len(self.board.pieces(kind, color)) - len(self.board.pieces(kind, not color)))
            for kind, worth in zip(chess.PIECE_TYPES, PIECE_VALUES, strict=False)
        )

    def to_pgn(self, names: dict[chess.Color, str], sides: dict[chess.Color, Side | None]) -> chess.pgn.Game:
        """The game so far, with what `zeromass replay` needs."""
        game = chess.pgn.Game.from_board(self.board)
        for node, comment in zip(game.mainline(), self.notes, strict=True):
            node.comment = comment
        date = datetime.datetime.now(datetime.UTC).strftime("%Y.%m.%d")
        game.headers.update(Event="zeromass play", Date=date, Result=self.result)
        game.headers.update(White=names[chess.WHITE], Black=names[chess.BLACK])
        if self.reason:
            game.headers["Termination"] = self.reason
        if self.minutes is not None:
            game.headers["TimeControl"] = f"{round(60 * self.minutes)}+{self.increment:g}"
        for color, side in sides.items():
            source = side.source(self.seed) if side is not None else None
            if source is not None:
                write_source(game, color, source)
        return game


def load_game(path: Path | PastedText, sources: dict[chess.Color, Source | None], say: Callable[[str], None]) -> Game:
    """The first game of a PGN file that can be used (see `read_games`), to be continued. Moves that other agents than
    `sources` chose are marked. An InputError where there is no such file, or no such game in it."""
    saved = next(read_games(path, say))
    saved_sources = {color: _source_of(saved, color) for color in chess.COLORS}
    seed = next((source.seed for source in saved_sources.values() if source is not None), 0)
    game = Game(saved.board(), seed)
    for node in saved.mainline():
        game.play(node.move, node.comment)
    for color, before in saved_sources.items():
        now = sources[color]
        if before is not None and (now is None or before != replace(now, seed=before.seed)):
            game.mark_foreign(color)
    return game


def _source_of(saved: chess.pgn.Game, color: chess.Color) -> Source | None:
    try:
        return read_source(saved, color)
    except InputError:  # settings of another version: the game can still be continued
        return Source("unknown")
