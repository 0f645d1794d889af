# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""invalid_mass by the loops."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kernels.on_numba.arrays import array, row_values
from kernels.on_numba.compilation import compiled
from kernels.on_numba.threads import in_parts


@compiled
def mass_loop(first, last, probabilities, words, out):
    """Sum of |p| over illegal entries; NaN and infinity come through."""
    size = probabilities.shape[1]
    for row in range(first, last):
        mass = 0.0
        for w in range(words.shape[1]):
            word = np.uint32(words[row, w])
            if word == 0 and size - 32 * w >= 32:
                a = b = c = d = 0.0
                for i in range(32 * w, 32 * w + 32, 4):
                    a += abs(np.float64(probabilities[row, i]))
                    b += abs(np.float64(probabilities[row, i + 1]))
                    c += abs(np.float64(probabilities[row, i + 2]))
                    d += abs(np.float64(probabilities[row, i + 3]))
                mass += (a + b) + (c + d)
                continue
            for i in range(min(32, size - 32 * w)):
                p = abs(np.float64(probabilities[row, 32 * w + i]))
                mass += 0.0 if (word >> np.uint32(i)) & np.uint32(1) else p
        out[row] = mass


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """[R, N] -> [R]."""
    (out,) = row_values(probabilities, 1)
    in_parts(mass_loop, probabilities, array(probabilities), array(words), out.numpy())
    return out
