"""Masks to words and back, and the mass on illegal entries, in PyTorch operators."""

import torch
from torch import Tensor


def pack_legal(mask: Tensor) -> Tensor:
    """bool or uint8 `[R, N]` -> int32 `[R, W]`."""
    rows, size = mask.shape
    width = (size + 31) // 32
    bits = torch.zeros(rows, width * 32, dtype=torch.int64, device=mask.device)
    bits[:, :size] = mask.view(torch.uint8) != 0
    weights = 1 << torch.arange(32, dtype=torch.int64, device=mask.device)
    # Bit 31 is the sign of an int32; the sum wraps to it.
    return (bits.view(rows, width, 32) * weights).sum(2).to(torch.int32)


def unpack_legal(words: Tensor, size: int) -> Tensor:
    """int32 `[R, W]` -> bool `[R, size]`."""
    shifts = torch.arange(32, dtype=torch.int32, device=words.device)
    bits = (words.unsqueeze(-1) >> shifts) & 1
    return bits.reshape(words.shape[0], 32 * words.shape[1])[:, :size] != 0


def legal_mask(words: Tensor, size: int, period: int = 0) -> Tensor:
    """Unpack words `[R, W]`; with a causal `period`, row r keeps columns 0 .. r % period only."""
    legal = unpack_legal(words, size)
    if period:
        row, column = (torch.arange(n, dtype=torch.int64, device=words.device) for n in legal.shape)
        legal = legal & (column <= (row % period)[:, None])
    return legal


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """[R, N] -> [R]: the sum of |p| over illegal entries; NaN there stays NaN."""
    legal = legal_mask(words, probabilities.shape[1])
    exact = probabilities if probabilities.dtype == torch.float64 else probabilities.float()
    return exact.abs().masked_fill(legal, 0.0).sum(1)
