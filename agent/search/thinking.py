"""What both searches offer for thinking about one position: begin, search on, look, stop at any time."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from agent.rules import Games, legal_moves
from agent.rules.bits import Moves


class RootMove(NamedTuple):
    """What a search thinks of one move at the root."""

    move: int  # vocabulary index
    prior: float  # probability before search
    nodes: int  # searched below it
    value: float  # expected score -1..1 for the side to move
    mate: int  # proven: k > 0 mates within k plies, k < 0 is mated within -k; 0: not proven
    line: tuple[int, ...]  # the moves expected, this one first, each seen from its mover's side
    exact: bool  # whether `value` is the move's own; else it is worth at most that


class RootOptions(NamedTuple):
    """What to search at the root."""

    allowed: Moves | None = None
    """Vocabulary indices; other moves are not searched. None, or none of them legal: all are."""
    lines: int = 1  # how many moves get a value of their own
    mate: bool = False  # whether to look for a mate alone
    simulations: int | None = None  # of Gumbel search: how many are shared out over the moves. None: rounds that grow.
    temperature: float = 0.0  # of Gumbel search: size of the noise
    seed: int = 0  # of the noise


def root_moves(games: Games, options: RootOptions) -> Moves:
    """The moves to search of the only game. Raises ValueError: it has no legal move."""
    moves, counts = legal_moves(games.positions)
    legal = moves[0, : counts[0]]
    if not legal.size:
        raise ValueError("a position without a legal move cannot be searched")
    chosen = legal if options.allowed is None else legal[np.isin(legal, options.allowed)]
    return chosen if chosen.size else legal


class Thinking(ABC):
    """A search of one game at a time. For one thread at a time."""

    nodes: int  # searched since `begin`; of Gumbel search, simulations
    depth: float  # in plies: of principal-variation search the last that was finished, of Gumbel search the mean
    deepest: int  # the most plies that a line went

    @abstractmethod
    def begin(self, games: Games, options: RootOptions) -> None:
        """Take up the only game of `games`, which has a legal move. Raises ValueError: no legal move, or the network's
        answer is NaN or infinite."""

    @abstractmethod
    def run(self, nodes: int) -> bool:
        """Search about `nodes` more; False once there is nothing more to search. Raises ValueError as `begin`."""

    @abstractmethod
    def look(self, most: int) -> list[RootMove]:
        """At most `most` of the root's moves, at least one, the one to be played first; values never rise."""

    @property
    @abstractmethod
    def full(self) -> float:
        """Share of the memory in use."""

    @abstractmethod
    def resize(self, megabytes: int) -> None:
        """Start the next search with empty memory of this size."""
