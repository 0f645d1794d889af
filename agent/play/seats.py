"""Who moves the pieces of one colour: a person, the agent, or another UCI engine."""

import shlex
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import chess
import chess.engine

from agent.engine.agent import Opponent
from agent.engine.limits import Clock, Control, Limits, allotted
from agent.engine.report import Report
from agent.engine.strength import slip
from agent.engine.thinker import Watcher
from agent.errors import InputError
from agent.play.level import MOST, Level
from agent.play.provenance import Source, note
from agent.players.external import close_engine, start_engine


class Choice(NamedTuple):
    """What a seat plays."""

    move: chess.Move
    note: str
    """For the PGN."""
    report: Report | None
    """What the agent thought; None: another engine's move."""


class Seat(Protocol):
    """Something that moves by itself."""

    @property
    def name(self) -> str:
        """For people and PGN."""
        ...

    def choose(
        self, board: chess.Board, seed: int, clock: Clock | None, control: Control, watch: Watcher | None
    ) -> Choice:
        """Choose a move; `board` has a legal one. InputError: it cannot."""
        ...

    def source(self, seed: int) -> Source | None:
        """What PGN headers should tell; None: nothing."""
        ...

    def close(self) -> None:
        """Leave the table."""
        ...


@dataclass
class AgentSeat:
    """The agent at a level."""

    opponent: Opponent
    level: Level

    @property
    def name(self) -> str:
        """With its weights."""
        return f"ZeroMass ({self.opponent.origin})"

    def choose(
        self, board: chess.Board, seed: int, clock: Clock | None, control: Control, watch: Watcher | None
    ) -> Choice:
        """The budget is fixed before the thought, so that it can be repeated: see `Level.strength`."""
        strength = self.level.strength(self.opponent.simulations_in(1.0))
        budget = strength.simulations
        if clock is not None:
            seconds = allotted(Limits(clock=clock), 0.05) or 0.0
            afford = min(max(self.opponent.simulations_in(seconds), 1), MOST)
            budget = min(budget, afford) if self.level.elo is not None else afford
        report = self.opponent.think(
            board,
            Limits(simulations=budget),
            control=control,
            watch=watch,
            lines=5,
            keep=2,
            temperature=strength.temperature,
            seed=seed,
        )
        told = note(report.best.score, strength._replace(simulations=budget))
        return Choice(slip(board, strength.slips, seed) or report.best.move, told, report)

    def source(self, seed: int) -> Source | None:
        """What is needed, beside the notes, to find the moves again."""
        return Source(self.opponent.identity or "unknown", seed=seed, settings=self.opponent.settings)

    def close(self) -> None:
        """Nothing to do."""


class EngineSeat:
    """A UCI engine in a process of its own.

    Args:
        command: as typed in a shell.
        seconds: a move, where there is no clock.

    Raises:
        InputError: it cannot be started or is no UCI engine.
    """

    def __init__(self, command: str, seconds: float = 1.0) -> None:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise InputError(
                f"engine {command!r} cannot be read ({error}); give a command such as stockfish"
            ) from error
        self._engine = start_engine(words)
        self._seconds = seconds
        self.name = self._engine.id.get("name", command)
        """As it calls itself."""

    def choose(
        self, board: chess.Board, seed: int, clock: Clock | None, control: Control, watch: Watcher | None
    ) -> Choice:
        """Ask it."""
        limit = chess.engine.Limit(time=self._seconds)
        if clock is not None:
            limit = chess.engine.Limit(white_clock=clock.remaining, black_clock=clock.remaining)
            limit.white_inc = limit.black_inc = clock.increment
        try:
            played = self._engine.play(board, limit)
        except (chess.engine.EngineError, TimeoutError) as error:
            raise InputError(f"engine '{self.name}' plays no more ({error}); choose another side or engine") from error
        if played.move is None:
            raise InputError(f"engine '{self.name}' gives no move; choose another side or engine")
        return Choice(played.move, "", None)

    def source(self, seed: int) -> Source | None:
        """Nothing is known."""
        return None

    def close(self) -> None:
        """End the process."""
        close_engine(self._engine)
