"""Log-probabilities of the legal entries alone, in PyTorch operators."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_torch.legality import legal_mask
from kernels.on_torch.rows import rows


def legal_log_probs(logits: Tensor, words: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> log-probabilities `[R, K]` (-inf past the end), indices int32 `[R, K]` (-1 there), counts int32 `[R]`,
    peak and log_sum `[R]`.
    """
    row = rows(logits, words)
    indices, used = _places(row.legal, width)
    values = (row.shifted - row.log_sum[:, None]).gather(1, indices).masked_fill(~used, -torch.inf)
    counts = row.legal.sum(1).to(torch.int32)
    return values, indices.masked_fill(~used, -1).to(torch.int32), counts, row.peak, row.log_sum


def legal_log_probs_backward(
    gradient: Tensor, indices: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor
) -> Tensor:
    """dx = g - p sum g, where g is 0 for legal entries beyond the K returned."""
    legal = legal_mask(words, logits.shape[1])
    p = (logits.to(peak.dtype) - peak[:, None] - log_sum[:, None]).masked_fill(~legal, -torch.inf).exp()
    used = indices >= 0
    given = gradient.to(peak.dtype).masked_fill(~used, 0.0)
    spread = torch.zeros_like(p).scatter_add_(1, indices.clamp(min=0).to(torch.int64), given)
    return (spread - p * given.sum(1, keepdim=True)).masked_fill(~legal, 0.0).to(logits.dtype)


def _places(legal: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Columns of the first `width` legal entries of each row, ascending, and which of those places are used."""
    order = torch.argsort(legal.to(torch.uint8), dim=1, descending=True, stable=True)[:, :width]
    if order.shape[1] < width:
        order = torch.nn.functional.pad(order, (0, width - order.shape[1]))
    used = torch.arange(width, device=legal.device) < legal.sum(1, keepdim=True)
    return order, used
