"""Masks to words and back, the mass on illegal entries, and what every op needs of a row, in PyTorch operators. R rows,
N columns. Illegal entries are replaced before any arithmetic, so nothing that stands there can spread."""

import sys
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def pack_legal(mask: Tensor) -> Tensor:
    """bool or uint8 `[R, N]` -> int32 `[R, W]`."""
    rows, size = mask.shape
    width = (size + 31) // 32
    if mask.is_cpu and sys.byteorder == "little":
        packed = np.zeros((rows, 4 * width), np.uint8)
        packed[:, : (size + 7) // 8] = np.packbits(mask.view(torch.uint8).numpy(), axis=1, bitorder="little")
        return torch.from_numpy(packed.view(np.int32))
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


class Rows(NamedTuple):
    """Statistics of the legal entries of each row, in the accumulation dtype."""

    legal: Tensor  # bool [R, N]
    shifted: Tensor  # [R, N]: (logit - peak) / temperature; -inf where illegal, NaN throughout an undefined row
    peak: Tensor  # [R]: largest legal logit; 0 in an empty row, NaN in an undefined one
    log_sum: Tensor  # [R]: log of the sum of exp(shifted); 0 in an empty row
    empty: Tensor  # bool [R]: no legal entry


def rows(logits: Tensor, words: Tensor, period: int = 0, temperature: float = 1.0) -> Rows:
    """Compute the statistics of each row of logits `[R, N]`, its shifted logits divided by the temperature. A row is
    undefined when a legal logit is NaN or +inf, or when all of them are -inf: its results are NaN at the legal
    entries."""
    legal = legal_mask(words, logits.shape[1], period)
    exact = logits if logits.dtype == torch.float64 else logits.float()
    chosen = exact.masked_fill(~legal, -torch.inf)
    empty = ~legal.any(1)
    peak = chosen.amax(1)
    peak = torch.where(peak.isfinite(), peak, torch.nan).masked_fill(empty, 0.0)
    shifted = (chosen - peak[:, None]).masked_fill(~legal, -torch.inf)
    if temperature != 1.0:
        shifted = shifted / temperature
    log_sum = shifted.exp().sum(1).log().masked_fill(empty, 0.0)
    return Rows(legal, shifted, peak, log_sum, empty)


def log_probabilities(logits: Tensor, legal: Tensor, peak: Tensor, log_sum: Tensor) -> Tensor:
    """Return log p `[R, N]` from what the forward saved of each row; -inf at illegal entries."""
    return (logits.to(peak.dtype) - peak[:, None] - log_sum[:, None]).masked_fill(~legal, -torch.inf)


def weighted(probability: Tensor, value: Tensor) -> Tensor:
    """Return probability * value with 0 * -inf = 0, the limit of p log p."""
    return torch.where(probability == 0, 0.0, probability * value)
