"""masked_softmax and masked_log_softmax, forward and backward, in PyTorch operators."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_torch.legality import legal_mask
from kernels.on_torch.rows import rows


def masked_softmax(logits: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]: p = exp(x - peak) / sum over the legal entries, 0 elsewhere."""
    row = rows(logits, words, period)
    probability = (row.shifted - row.log_sum[:, None]).exp()
    return probability.masked_fill(~row.legal, 0.0).to(dtype)


def masked_softmax_backward(
    gradient: Tensor, probability: Tensor, words: Tensor, period: int, dtype: torch.dtype
) -> Tensor:
    """dx = p (g - sum p g): the sum over legal entries only, the literal zero elsewhere."""
    legal = legal_mask(words, probability.shape[1], period)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    p = probability.to(exact)
    g = gradient.to(exact).masked_fill(~legal, 0.0)
    dot = (p * g).sum(1, keepdim=True)
    return (p * (g - dot)).masked_fill(~legal, 0.0).to(dtype)


def masked_log_softmax(
    logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """[R, N] -> [R, N]: x - peak - log(sum) at legal entries, `fill` elsewhere; and peak and log(sum), `[R]`."""
    row = rows(logits, words, period)
    log_p = (row.shifted - row.log_sum[:, None]).masked_fill(~row.legal, fill).to(dtype)
    return log_p, row.peak, row.log_sum


def masked_log_softmax_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor, period: int
) -> Tensor:
    """dx = g - p sum g, with p from the logits again: a stored log p of a half type is off by up to 2 %."""
    legal = legal_mask(words, logits.shape[1], period)
    x = logits.to(peak.dtype).masked_fill(~legal, -torch.inf)
    p = (x - peak[:, None] - log_sum[:, None]).clamp(max=0.0).exp()
    g = gradient.to(peak.dtype).masked_fill(~legal, 0.0)
    return (g - p * g.sum(1, keepdim=True)).masked_fill(~legal, 0.0).to(logits.dtype)
