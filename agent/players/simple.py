"""Players without a network: random moves, and greed for material."""

import numpy as np

from agent import rules
from agent.players.player import Choice, best_in_segments
from agent.rules import Games, Termination


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


class GreedyPlayer:
    """Mates if it can, else takes the most material it can (promotion counts), else moves at random."""

    name = "greedy"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        # A successor is seen by the opponent: what is worst for it is best for us.
        gains = -rules.material(successors).astype(np.float64)
        gains[rules.outcome(successors, claim_draws=False) == Termination.CHECKMATE] = np.inf
        gains += self._generator.random(len(gains)) * 0.5
        return Choice(moves[best_in_segments(gains, offsets)], np.full(len(offsets) - 1, np.nan, np.float32))
