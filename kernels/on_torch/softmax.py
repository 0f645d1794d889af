"""masked_softmax, masked_log_softmax and legal_log_probs, forward and backward, in PyTorch operators."""

import torch
from torch import Tensor

from kernels.on_torch.legality import legal_mask, log_probabilities, rows, weighted


def masked_softmax(logits: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]: p = exp(x - peak) / sum over the legal entries, 0 elsewhere."""
    row = rows(logits, words, period)
    probability = (row.shifted - row.log_sum[:, None]).exp()
    return probability.masked_fill(~row.legal, 0.0).to(dtype)


def masked_softmax_backward(gradient: Tensor, output: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """dx = p (g - sum p g): the sum over legal entries only, the literal zero elsewhere."""
    legal = legal_mask(words, output.shape[1], period)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    p = output.to(exact)
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
    p = log_probabilities(logits, legal, peak, log_sum).clamp(max=0.0).exp()
    g = gradient.to(peak.dtype).masked_fill(~legal, 0.0)
    return (g - p * g.sum(1, keepdim=True)).masked_fill(~legal, 0.0).to(logits.dtype)


def masked_log_softmax_tangent(
    tangent: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor, period: int, *_backend: str
) -> tuple[Tensor]:
    """dy = dx - sum p dx at legal entries, 0 elsewhere; by operators alone, whatever the backend."""
    legal = legal_mask(words, logits.shape[1], period)
    p = log_probabilities(logits, legal, peak, log_sum).exp()
    return ((tangent - weighted(p, tangent).sum(1, keepdim=True)).masked_fill(~legal, 0.0),)


def legal_log_probs(logits: Tensor, words: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> log-probabilities `[R, K]` (-inf past the end), indices int32 `[R, K]` (-1 there), counts int32 `[R]`,
    peak and log_sum `[R]`."""
    row = rows(logits, words)
    # Legal columns first, ascending; places past the row's legal entries are not used.
    indices = torch.argsort(row.legal.to(torch.uint8), dim=1, descending=True, stable=True)[:, :width]
    indices = torch.nn.functional.pad(indices, (0, width - indices.shape[1]))
    used = torch.arange(width, dtype=torch.int64, device=logits.device) < row.legal.sum(1, keepdim=True)
    values = (row.shifted - row.log_sum[:, None]).gather(1, indices).masked_fill(~used, -torch.inf)
    counts = row.legal.sum(1).to(torch.int32)
    return values, indices.masked_fill(~used, -1).to(torch.int32), counts, row.peak, row.log_sum


def legal_log_probs_backward(
    gradient: Tensor, indices: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor
) -> Tensor:
    """dx = g - p sum g, where g is 0 for legal entries beyond the K returned."""
    given = gradient.to(peak.dtype).masked_fill(indices < 0, 0.0)
    spread = given.new_zeros(logits.shape).scatter_add_(1, indices.clamp(min=0).to(torch.int64), given)
    return masked_log_softmax_backward(spread, logits, words, peak, log_sum, 0)
