"""Gumbel noise fixed by (seed, game, ply, move) alone, whatever else is searched beside it."""

import math
from typing import Final

import numpy as np

from agent.compilation import njit
from agent.rules.bits import u64

_STEP: Final = u64(0x9E3779B97F4A7C15)
_UNIT: Final = 2.0**-53


@njit
def _mixed(word: np.uint64) -> np.uint64:
    """The finaliser of SplitMix64 (Steele et al. 2014): every bit in changes half the bits out."""
    word = (word ^ (word >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> u64(27))) * u64(0x94D049BB133111EB)
    return word ^ (word >> u64(31))


@njit
def noise_stream(seed: np.uint64, key: np.uint64, ply: np.int64) -> np.uint64:
    """The stream of one ply of one game."""
    return _mixed(_mixed(_mixed(seed + _STEP) ^ key) + u64(ply) * _STEP)


@njit
def gumbel_noise(stream: np.uint64, move: np.int64) -> float:
    """Standard Gumbel noise of vocabulary index `move`: -log(-log(u)), u uniform in (0, 1)."""
    bits = _mixed(stream + (u64(move) + u64(1)) * _STEP) >> u64(11)
    return -math.log(-math.log((np.float64(bits) + 0.5) * _UNIT))
