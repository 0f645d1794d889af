"""invalid_mass by the loops."""

from __future__ import annotations

from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import array, row_values
from kernels.on_numba.threads import in_parts


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """[R, N] -> [R]."""
    (out,) = row_values(probabilities, 1)
    in_parts(loops.invalid_mass, probabilities, array(probabilities), array(words), out.numpy())
    return out
