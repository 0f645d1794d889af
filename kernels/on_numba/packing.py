"""Masks to words, by the loops."""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import array
from kernels.on_numba.threads import in_parts


def pack_legal(mask: Tensor) -> Tensor:
    """uint8 `[R, N]` -> int32 `[R, W]`."""
    rows, size = mask.shape
    words = torch.empty((rows, (size + 31) // 32), dtype=torch.int32)
    data = array(mask)
    # A row of whole groups of eight bytes is packed eight at a time; a view of it needs an aligned start.
    if size % 8 == 0 and rows and data.ctypes.data % 8 == 0 and sys.byteorder == "little":
        in_parts(loops.pack_eights, mask, data.view(np.uint64), words.numpy().view(np.uint8))
    else:
        in_parts(loops.pack, mask, data, words.numpy())
    return words
