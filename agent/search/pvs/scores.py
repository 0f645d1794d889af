"""Scores of the search: log-odds of the expected score, and mates by their distance."""

import math
from typing import Final

import numpy as np

from agent.compilation import njit

MATE: Final = 30_000  # score of a mate on the board; a mate in n plies scores MATE - n
PROVEN: Final = MATE - 1_000  # scores beyond this, either way, are mates
INFINITE: Final = 32_000
SCALE: Final = 700  # at the start a pawn more is worth 2 to 24, a knight 395, a rook 813


@njit
def score_of(value: float) -> np.int64:
    """The score of an expected score -1..1."""
    bounded = min(max(value, -0.99999), 0.99999)
    return np.int64(math.floor(SCALE * math.log((1.0 + bounded) / (1.0 - bounded)) + 0.5))


def value_of(score: int) -> float:
    """The expected score -1..1 of a score; a mate is a whole point."""
    return math.copysign(1.0, score) if abs(score) > PROVEN else math.tanh(score / SCALE / 2)


def mate_of(score: int) -> int:
    """Plies to the mate that a score stands for, negative for being mated; 0: it stands for none."""
    if abs(score) <= PROVEN:
        return 0
    return MATE - score if score > 0 else -MATE - score
