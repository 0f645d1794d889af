"""A game between people, the agent and UCI engines, whatever the board is drawn on. Commands are in `commands`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import chess

from agent.engine.agent import Agent
from agent.engine.limits import Control
from agent.engine.report import Report
from agent.engine.thinker import Watcher
from agent.errors import InputError
from agent.notation import move_number, side_name
from agent.play.game import Game
from agent.play.level import Level
from agent.play.sides import AgentSide, ChosenMove, Side

Load = Callable[[str], Agent]
"""The agent with the newest weights of a run, by its name. Raises InputError."""


@dataclass
class Session:
    """A game and those who play it; `new` games begin at `start`, too. Subclasses draw it."""

    agent: Agent
    start: chess.Board
    person: chess.Color
    level: Level = field(default=Level(seconds=1.0), kw_only=True)
    seed: int = field(default=0, kw_only=True)
    load: Load | None = field(default=None, kw_only=True)
    theme: str = field(default="figurines", kw_only=True)
    game: Game = field(init=False)
    sides: dict[chess.Color, Side | None] = field(init=False)  # None: a person
    flipped: bool = field(init=False)
    saved: set[Path] = field(init=False, default_factory=set)  # files that it has written
    hint_control: Control = field(init=False, default_factory=Control)  # cancels the search for a hint

    def __post_init__(self) -> None:
        self.game = Game(self.start.copy(), self.seed)
        self.sides = {self.person: None, not self.person: AgentSide(self.agent, self.level)}
        self.flipped = self.person == chess.BLACK

    def say(self, text: str) -> None:
        """Show text to the people."""
        raise NotImplementedError

    def refuse(self, error: InputError) -> None:
        """Say what was wrong."""
        self.say(f"{str(error)[:1].upper()}{str(error)[1:]}.")

    def show(self) -> None:
        """Draw the board."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Cancel a search in progress: its result is not wanted any more."""

    @property
    def board(self) -> chess.Board:
        """The position, with its history."""
        return self.game.board

    @property
    def mover(self) -> Side | None:
        """The program whose turn it is; None: it is a person's turn, or the game is over."""
        return None if self.game.over else self.sides[self.board.turn]

    @property
    def people(self) -> int:
        """How many sides people play."""
        return sum(side is None for side in self.sides.values())

    def choose(self, side: Side, control: Control, watch: Watcher | None = None) -> ChosenMove:
        """Let `side` choose a move here. The game does not change, so any thread may call this."""
        return side.choose(self.board.copy(), self.game.seed, self.game.clock(), control, watch)

    def apply(self, chosen: ChosenMove) -> None:
        """Play what a program chose, unless its time has run out. The agent claims a draw instead where it can and
        stands worse."""
        if self.flag():
            return
        if chosen.report is not None and chosen.report.best.score < 0 and (claimable := self.game.claimable()):
            self.finish("1/2-1/2", f"the agent claims {claimable}")
            return
        who = "Agent" if isinstance(self.sides[self.board.turn], AgentSide) else "Engine"
        score = "" if chosen.report is None else expected_score(chosen.report.best.score)
        self.say(f"{who}: {move_number(self.board)} {self.board.san(chosen.move)}{score}")
        self.game.play(chosen.move, chosen.note, chosen.report)
        if not self.game.over:
            self.show()
        self.announce()

    def flag(self) -> bool:
        """End the game and say so if the mover's time has run out; returns whether it has."""
        if fallen := self.game.flag():
            self.interrupt()
            self.announce()
        return fallen

    def play_move(self, move: chess.Move) -> None:
        """Play a person's legal move."""
        self.game.play(move)
        self.announce()

    def announce(self) -> None:
        """Say the result if there is one now."""
        if self.game.over:
            moves = (len(self.game.notes) + 1) // 2
            self.show()
            self.say(f"Result: {self.game.result} ({self.game.reason}, {moves} move{'' if moves == 1 else 's'}).")

    @property
    def thought(self) -> tuple[Report, chess.Board] | None:
        """What the agent, if it plays, thought of the last move or the one before, and the position it stood in."""
        board = self.board.copy()
        for report in reversed(self.game.reports[-2:]):
            board.pop()
            if report is not None and any(isinstance(side, AgentSide) for side in self.sides.values()):
                return report, board
        return None

    def finish(self, result: str, reason: str) -> None:
        """End the game and say so."""
        self.game.end(result, reason)
        self.announce()

    @property
    def names(self) -> dict[chess.Color, str]:
        """Who plays, for PGN."""
        return {
            color: side.name if side is not None else ("You" if self.people == 1 else side_name(color))
            for color, side in self.sides.items()
        }

    def label(self, color: chess.Color) -> str:
        """Who plays `color`, for the board: the agent with its level."""
        side = self.sides[color]
        return f"ZeroMass, {side.level}" if isinstance(side, AgentSide) else self.names[color]

    def close(self) -> None:
        """Cancel searches and end engines."""
        self.interrupt()
        self.hint_control.stop()
        for side in self.sides.values():
            if side is not None:
                side.close()


def expected_score(score: float, whom: str = "the agent") -> str:
    """A score -1..1 in brackets, to follow a move."""
    return f" (expected score {round(score, 2) + 0.0:+.2f} for {whom})"
