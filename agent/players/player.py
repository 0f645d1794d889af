"""What a player is: given games in progress, it chooses one move in every game, in one batch."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.rules import Games


class Choice(NamedTuple):
    """One move in each of B games."""

    moves: NDArray[np.uint16]
    """[B] vocabulary indices, all legal."""
    values: NDArray[np.float32]
    """[B] expected score -1..1 of the move for the player; NaN where the player has no opinion."""


class Player(Protocol):
    """Chooses moves in unfinished games."""

    @property
    def name(self) -> str:
        """For tables and PGN."""
        ...

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        ...


def best_in_segments(scores: NDArray[np.floating], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [B]: position of the largest score in each segment offsets[i]:offsets[i + 1], none of them empty."""
    order = np.lexsort((scores, np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))))
    best: NDArray[np.int64] = order[offsets[1:] - 1]
    return best
