# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""The mass on illegal entries, by a loop."""

import numpy as np
from torch import Tensor

from kernels.compilation import njit
from kernels.on_numba.batch import in_parts
from kernels.ops.arguments import per_row


@njit
def _mass_loop(first, last, probabilities, words, out):
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
    (out,) = per_row(probabilities, 1)
    in_parts(_mass_loop, probabilities, probabilities, words, out)
    return out
