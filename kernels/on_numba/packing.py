# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""Masks to words, by the loops."""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor

from kernels.on_numba.arrays import array
from kernels.on_numba.compilation import compiled
from kernels.on_numba.threads import in_parts


@compiled
def pack_loop(first, last, mask, words):
    """Bytes to bits."""
    size = mask.shape[1]
    for row in range(first, last):
        for w in range(words.shape[1]):
            word = np.uint32(0)
            for i in range(min(32, size - 32 * w)):
                word |= np.uint32(mask[row, 32 * w + i] != 0) << np.uint32(i)
            words[row, w] = np.int32(word)


@compiled
def pack_eights_loop(first, last, mask, words):
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
    """uint8 `[R, N]` -> int32 `[R, W]`."""
    rows, size = mask.shape
    words = torch.empty((rows, (size + 31) // 32), dtype=torch.int32)
    data = array(mask)
    # A row of whole groups of eight bytes is packed eight at a time; a view of it needs an aligned start.
    if size % 8 == 0 and rows and data.ctypes.data % 8 == 0 and sys.byteorder == "little":
        in_parts(pack_eights_loop, mask, data.view(np.uint64), words.numpy().view(np.uint8))
    else:
        in_parts(pack_loop, mask, data, words.numpy())
    return words
