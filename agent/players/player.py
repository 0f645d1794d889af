"""What a player is: given games in progress, it chooses one move in every game, in one batch. And simple players."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.rules import Games, Termination


class Choice(NamedTuple):
    """One move in each of B games."""

    moves: NDArray[np.uint16]  # [B] vocabulary indices, all legal
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
    return np.asarray(order[offsets[1:] - 1], np.int64)


class RandomPlayer:
    """Every legal move is as likely as any other."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        indices, counts = rules.legal_moves(games.positions)
        picks = self._generator.integers(counts)
        return Choice(indices[np.arange(len(picks)), picks], np.full(len(picks), np.nan, np.float32))


class GreedyPlayer(RandomPlayer):
    """Mates if it can, else takes the most material it can (promotion counts), else moves at random."""

    name = "greedy"

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        # A successor is seen by the opponent: what is worst for it is best for us.
        gains = -rules.material(successors).astype(np.float64)
        gains[rules.outcome(successors, claim_draws=False) == Termination.CHECKMATE] = np.inf
        gains += self._generator.random(len(gains)) * 0.5
        return Choice(moves[best_in_segments(gains, offsets)], np.full(len(offsets) - 1, np.nan, np.float32))
