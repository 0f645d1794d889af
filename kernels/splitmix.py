"""SplitMix64's finaliser (Steele et al., "Fast splittable pseudorandom number generators", 2014), defined once."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kernels.compilation import njit

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)  # the step: output i of seed s is `finalise(s + (i + 1) * GOLDEN)`


def _finalise(word: Any) -> Any:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


finalise: Callable[[np.uint64], np.uint64] = njit(_finalise)
"""Scramble a uint64, one to one: every bit in changes half the bits out. For compiled code."""


def mix(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scramble int64 values, one to one: neighbours become unrelated. The first output of each value as a seed."""
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = _finalise(values.astype(np.uint64) + GOLDEN)
    return mixed.view(np.int64)
