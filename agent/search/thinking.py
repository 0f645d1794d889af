"""What both searches offer for thinking about one position: begin, search on, look, stop at any time."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.rules import Games


class RootMove(NamedTuple):
    """What a search thinks of one move at the root."""

    move: int
    """Vocabulary index."""
    prior: float
    """Probability before search."""
    nodes: int
    """Searched below it."""
    value: float
    """Expected score -1..1 for the side to move."""
    mate: int
    """Proven: k > 0 mates within k plies, k < 0 is mated within -k; 0: not proven."""
    line: tuple[int, ...]
    """The moves expected, this one first, each seen from its mover's side."""
    exact: bool
    """Whether `value` is the move's own; else it is worth at most that."""


class RootOptions(NamedTuple):
    """What to search at the root."""

    allowed: NDArray[np.uint16] | None = None
    """Vocabulary indices; other moves are not searched. None, or none of them legal: all are."""
    lines: int = 1
    """How many moves get a value of their own."""
    mate: bool = False
    """Whether to look for a mate alone."""
    simulations: int | None = None
    """Of Gumbel search: how many are shared out over the moves. None: rounds that grow."""
    temperature: float = 0.0
    """Of Gumbel search: size of the noise."""
    seed: int = 0
    """Of the noise."""


class Thinking(ABC):
    """A search of one game at a time. For one thread at a time."""

    nodes: int
    """Searched since `begin`; of Gumbel search, simulations."""
    depth: float
    """In plies: of principal-variation search the last that was finished, of Gumbel search the mean."""
    deepest: int
    """The most plies that a line went."""

    @abstractmethod
    def begin(self, games: Games, options: RootOptions) -> None:
        """Take up the only game of `games`, which has a legal move.

        Raises:
            ValueError: no legal move, or the network's answer is NaN or infinite.
        """

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
