"""Random openings: games must not all start alike, or self-play sees one game many times."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent import rules

_MIX_1, _MIX_2, _GOLDEN = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)


def mix(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scramble int64 values, one to one (SplitMix64's finaliser, Steele et al. 2014): neighbours become unrelated."""
    with np.errstate(over="ignore"):
        x = values.astype(np.uint64) + _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        return (x ^ (x >> np.uint64(31))).view(np.int64)


def random_opening(seed: int, plies: int, *, after: Sequence[int] = ()) -> list[int]:
    """Vocabulary indices of `plies` uniformly random legal moves from the standard start, or behind the line `after`.

    An opening that ends the game is drawn again, so the position after it always has a legal move.

    Args:
        seed: any int64; the same seed gives the same opening.
        plies: 0 or more.
        after: legal moves from the standard start, which the result begins with.
    """
    generator = np.random.default_rng(abs(seed))
    while True:
        position = rules.start(1)
        moves = list(after)
        for move in moves:
            rules.play(position, np.array([move], np.uint16))
        for _ in range(plies):
            indices, counts = rules.legal_moves(position)
            if counts[0] == 0:
                break
            moves.append(int(indices[0, generator.integers(counts[0])]))
            rules.play(position, np.array([moves[-1]], np.uint16))
        if len(moves) == len(after) + plies and rules.outcome(position, claim_draws=True)[0] == rules.Termination.NONE:
            return moves
