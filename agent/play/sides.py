"""Who moves the pieces of one colour in a game: the agent or another UCI engine. A person is None."""

from typing import NamedTuple

import chess
import chess.engine

from agent.engine.agent import Agent
from agent.engine.limits import Clock, Control, ThinkOptions
from agent.engine.report import Report
from agent.engine.thinker import Watcher
from agent.play.level import Level
from agent.play.provenance import Source, note
from agent.play.strength import blunder
from agent.players.external import close_engine, engine_move, start_engine


class ChosenMove(NamedTuple):
    """What a side plays."""

    move: chess.Move
    note: str  # for the PGN
    report: Report | None  # what the agent thought; None: another engine's move


class Side:
    """A program that plays one colour of one game. Unlike a `Player` it has a clock, and can be watched and stopped."""

    name: str  # for people and PGN

    def choose(
        self, board: chess.Board, seed: int, clock: Clock | None, control: Control, watch: Watcher | None
    ) -> ChosenMove:
        """Choose a move on a `board` that has a legal one. Raises InputError: it cannot."""
        raise NotImplementedError

    def source(self, seed: int) -> Source | None:
        """What PGN headers say about its moves; None: nothing."""
        return None

    def close(self) -> None:
        """End what it has started."""


class AgentSide(Side):
    """The agent at a level."""

    def __init__(self, agent: Agent, level: Level) -> None:
        self.agent, self.level = agent, level
        self.name = f"ZeroMass ({agent.origin})"

    def choose(
        self, board: chess.Board, seed: int, clock: Clock | None, control: Control, watch: Watcher | None
    ) -> ChosenMove:
        """Note what is needed to repeat it: nodes or simulations."""
        strength = self.level.strength
        options = ThinkOptions(lines=5, keep=1, temperature=strength.temperature, seed=seed, fresh=True)
        report = self.agent.think(board, self.level.limits(clock), options, control=control, watch=watch)
        move = blunder(board, strength.blunder_rate, seed) or report.best.move
        if strength.simulations:
            strength = strength._replace(simulations=report.nodes, planned=report.planned)
        else:
            strength = strength._replace(nodes=report.nodes)
        return ChosenMove(move, note(report.best.score, strength), report)

    def source(self, seed: int) -> Source | None:
        """What is needed, beside the notes, to repeat the moves."""
        return Source(self.agent.identity or "unknown", seed=seed, settings=self.agent.settings)


class EngineSide(Side):
    """A UCI engine in a process of its own: `command` as typed in a shell, `seconds` a move where there is no clock.
    Raises InputError: it cannot be started or is no UCI engine."""

    def __init__(self, command: str, seconds: float = 1.0) -> None:
        self._engine, self._seconds = start_engine(command), seconds
        self.name = self._engine.id.get("name", command)  # as it calls itself

    def choose(
        self, board: chess.Board, seed: int, clock: Clock | None, control: Control, watch: Watcher | None
    ) -> ChosenMove:
        """Ask the engine."""
        limit = chess.engine.Limit(time=self._seconds)
        if clock is not None:
            limit = chess.engine.Limit(white_clock=clock.remaining, black_clock=clock.remaining)
            limit.white_inc = limit.black_inc = clock.increment
        return ChosenMove(engine_move(self._engine, self.name, board, limit), "", None)

    def close(self) -> None:
        """End the process."""
        close_engine(self._engine)
