"""invalid_mass by the loops."""

from __future__ import annotations

from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import array, row_values


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """[R, N] -> [R]."""
    (out,) = row_values(probabilities, 1)
    loops.invalid_mass(array(probabilities), array(words), out.numpy())
    return out
