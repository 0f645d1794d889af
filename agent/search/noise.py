"""Gumbel noise fixed by (seed, game, ply, move) alone, independent of the rest of the batch."""

import math
from typing import Final

import numpy as np

from agent.compilation import njit
from agent.rules.bits import u64
from kernels.splitmix import GOLDEN, finalise

_UNIT: Final = 2.0**-53


@njit
def noise_stream(seed: np.uint64, key: np.uint64, ply: np.int64) -> np.uint64:
    """The stream of one ply of one game."""
    return finalise(finalise(finalise(seed + GOLDEN) ^ key) + u64(ply) * GOLDEN)


@njit
def gumbel_noise(stream: np.uint64, move: np.int64) -> float:
    """Standard Gumbel noise of vocabulary index `move`: -log(-log(u)), u uniform in (0, 1)."""
    bits = finalise(stream + (u64(move) + u64(1)) * GOLDEN) >> u64(11)
    return -math.log(-math.log((np.float64(bits) + 0.5) * _UNIT))
