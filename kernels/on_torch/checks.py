"""invalid_mass and row_status in PyTorch operators."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_torch.rows import legal_mask, rows
from kernels.on_torch.terms import one_hot
from kernels.row_status import ILLEGAL_TARGET, NO_LEGAL_ENTRY, UNDEFINED


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """[R, N] -> [R]: the sum of |p| over illegal entries; NaN there stays NaN."""
    legal = legal_mask(words, probabilities.shape[1])
    exact = probabilities if probabilities.dtype == torch.float64 else probabilities.float()
    return exact.abs().masked_fill(legal, 0.0).sum(1)


def row_status(logits: Tensor, words: Tensor, targets: Tensor | None) -> Tensor:
    """[R, N] -> int32 [R], the bits of `row_status`."""
    row = rows(logits, words)
    status = row.empty * NO_LEGAL_ENTRY + row.peak.isnan() * UNDEFINED
    if targets is not None:
        status = status + ~one_hot(targets, row.legal)[1] * ILLEGAL_TARGET
    return status.to(torch.int32)
