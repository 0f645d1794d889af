"""Cross-entropy with index, dense and ragged targets, in PyTorch operators.

For a target distribution q over the legal entries of a row: loss = -sum q log p, dx = g [(sum q) p - q]."""

import torch
from torch import Tensor

from kernels.on_torch.legality import legal_mask, log_probabilities, rows, weighted
from kernels.on_torch.terms import one_hot


def cross_entropy(logits: Tensor, words: Tensor, targets: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """-> loss, peak, log_sum and bool `known`: no target mass on illegal entries, all `[R]`. An illegal target has
    probability 0 and so costs +inf; an empty row has nothing to learn and costs 0."""
    row = rows(logits, words)
    q, known = _distribution(row.legal, targets, row.peak.dtype)
    loss = -weighted(q, row.shifted - row.log_sum[:, None]).sum(1)
    loss = torch.where(row.peak.isnan(), torch.nan, loss)
    return torch.where(known, loss, torch.inf).masked_fill(row.empty, 0.0), row.peak, row.log_sum, known


def cross_entropy_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, targets: list[Tensor], saved: list[Tensor]
) -> Tensor:
    """Gradient of the logits; zero in an empty row and in one whose target is illegal."""
    peak, log_sum, known = saved
    legal = legal_mask(words, logits.shape[1])
    q = _distribution(legal, targets, peak.dtype)[0]
    p = log_probabilities(logits, legal, peak, log_sum).exp()
    result = gradient[:, None] * (q.sum(1, keepdim=True) * p - q)
    return result.masked_fill(~(legal & known[:, None]), 0.0).to(logits.dtype)


def _distribution(legal: Tensor, targets: list[Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Spread targets of any form over `[R, N]`, 0 at illegal entries; also bool `[R]`: all their mass is legal."""
    if len(targets) == 3:
        q, inside = _spread(legal, *targets, dtype=dtype)
    elif targets[0].dim() == 1:
        taken, known = one_hot(targets[0], legal)
        return taken.to(dtype), known
    else:
        q, inside = targets[0].to(dtype), torch.ones_like(legal[:, 0])
    return q.masked_fill(~legal, 0.0), inside & ~((q != 0) & ~legal).any(1)


def _spread(
    legal: Tensor, indices: Tensor, offsets: Tensor, masses: Tensor, *, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Ragged targets as `[R, N]`; also bool `[R]`: every index of the row lies in 0 .. N - 1."""
    count, size = legal.shape
    owner = torch.arange(count, dtype=torch.int64, device=legal.device).repeat_interleave(offsets.diff())
    used = slice(int(offsets[0]), int(offsets[-1])) if count else slice(0, 0)
    column, mass = indices.to(torch.int64)[used], masses[used].to(dtype)
    outside = (column < 0) | (column >= size)
    dense = torch.zeros(count, size, dtype=dtype, device=legal.device)
    dense.index_put_((owner, column.clamp(0, size - 1)), mass.masked_fill(outside, 0.0), accumulate=True)
    wrong = torch.zeros(count, dtype=torch.int32, device=legal.device)
    wrong.index_add_(0, owner, (outside & (mass != 0)).to(torch.int32))
    return dense, wrong == 0
