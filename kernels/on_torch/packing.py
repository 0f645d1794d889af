"""Masks to words and back, in PyTorch operators."""

from __future__ import annotations

import torch
from torch import Tensor


def pack_legal(mask: Tensor) -> Tensor:
    """uint8 `[R, N]` -> int32 `[R, W]`."""
    rows, size = mask.shape
    width = (size + 31) // 32
    bits = torch.zeros(rows, width * 32, dtype=torch.int64, device=mask.device)
    bits[:, :size] = mask != 0
    weights = torch.ones(32, dtype=torch.int64, device=mask.device) << torch.arange(32, device=mask.device)
    # Bit 31 is the sign of an int32; the sum wraps to it.
    return (bits.view(rows, width, 32) * weights).sum(2).to(torch.int32)


def unpack_legal(words: Tensor, size: int) -> Tensor:
    """int32 `[R, W]` -> bool `[R, size]`."""
    shifts = torch.arange(32, dtype=torch.int32, device=words.device)
    bits = (words.unsqueeze(-1) >> shifts) & 1
    return bits.reshape(words.shape[0], 32 * words.shape[1])[:, :size] != 0
