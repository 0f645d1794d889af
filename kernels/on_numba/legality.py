# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""Masks to words, and the mass on illegal entries, by the loops."""

import sys

import numpy as np
import torch
from torch import Tensor

from kernels.compilation import njit
from kernels.on_numba.batch import array, in_parts
from kernels.ops.arguments import per_row


@njit
def _pack_loop(first, last, mask, words):
    size = mask.shape[1]
    for row in range(first, last):
        for w in range(words.shape[1]):
            word = np.uint32(0)
            for i in range(min(32, size - 32 * w)):
                word |= np.uint32(mask[row, 32 * w + i] != 0) << np.uint32(i)
            words[row, w] = np.int32(word)


@njit
def _pack_eights_loop(first, last, mask, words):
    """The same from eight bytes at a time: uint64 `[R, N / 8]` to uint8 `[R, 4 W]`, little end first."""
    eights = mask.shape[1]
    for row in range(first, last):
        words[row, eights:] = 0
        for i in range(eights):
            x = mask[row, i]
            # The high bit of each byte: is it nonzero? Then gather the eight high bits into one byte.
            x = (((x & np.uint64(0x7F7F7F7F7F7F7F7F)) + np.uint64(0x7F7F7F7F7F7F7F7F)) | x) >> np.uint64(7)
            x &= np.uint64(0x0101010101010101)
            words[row, i] = np.uint8((x * np.uint64(0x0102040810204080)) >> np.uint64(56))


def pack_legal(mask: Tensor) -> Tensor:
    """bool or uint8 `[R, N]` -> int32 `[R, W]`."""
    mask = mask.view(torch.uint8)
    rows, size = mask.shape
    words = mask.new_empty((rows, (size + 31) // 32), dtype=torch.int32)
    data = array(mask)
    # A row of whole groups of eight bytes is packed eight at a time; a view of it needs an aligned start.
    if size % 8 == 0 and rows and data.ctypes.data % 8 == 0 and sys.byteorder == "little":
        in_parts(_pack_eights_loop, mask, data.view(np.uint64), words.numpy().view(np.uint8))
    else:
        in_parts(_pack_loop, mask, data, words)
    return words


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
