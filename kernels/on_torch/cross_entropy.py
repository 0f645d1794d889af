"""Cross-entropy with index, dense and ragged targets, with label smoothing and z-loss, in PyTorch operators.

For a target distribution q over the legal entries of a row, smoothed to q' = (1 - eps) q + eps / n (n legal entries):

    loss = -sum q' log p + z (log Z)^2          log Z = peak + log(sum)
    dx   = g [ (Q' + 2 z log Z) p - q' ]         Q' = sum q'
"""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_torch.rows import Rows, legal_mask, rows, weighted
from kernels.on_torch.terms import one_hot


def cross_entropy(
    logits: Tensor, words: Tensor, targets: Tensor, smoothing: float, z_loss: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Index targets `[R]` -> loss, peak, log_sum, all `[R]`."""
    row = rows(logits, words)
    taken, known = one_hot(targets, row.legal)
    loss = _loss(row, taken.to(row.peak.dtype), smoothing, z_loss)
    return _judge(loss, row, known), row.peak, row.log_sum


def cross_entropy_backward(
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    targets: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
) -> Tensor:
    """Gradient of the logits; zero in an empty row and in one whose target is illegal."""
    legal = legal_mask(words, logits.shape[1])
    taken, known = one_hot(targets, legal)
    return _gradient(gradient, logits, legal, taken, known, smoothing, z_loss, peak, log_sum)


def soft_cross_entropy(
    logits: Tensor, words: Tensor, targets: Tensor, smoothing: float, z_loss: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Dense targets `[R, N]` -> loss, peak, log_sum and bool `known`: no target mass on illegal entries, all `[R]`."""
    row = rows(logits, words)
    q = targets.to(row.peak.dtype)
    known = ~((q != 0) & ~row.legal).any(1)
    loss = _loss(row, q.masked_fill(~row.legal, 0.0), smoothing, z_loss)
    return _judge(loss, row, known), row.peak, row.log_sum, known


def soft_cross_entropy_backward(
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    targets: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
    known: Tensor,
) -> Tensor:
    """Gradient of the logits."""
    legal = legal_mask(words, logits.shape[1])
    return _gradient(gradient, logits, legal, targets, known, smoothing, z_loss, peak, log_sum)


def ragged_cross_entropy(
    logits: Tensor,
    words: Tensor,
    offsets: Tensor,
    indices: Tensor,
    probabilities: Tensor,
    smoothing: float,
    z_loss: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Row r's target is `probabilities[o[r]:o[r + 1]]` at those `indices`; results as for `soft_cross_entropy`."""
    dense, inside = _dense(logits, offsets, indices, probabilities)
    loss, peak, log_sum, known = soft_cross_entropy(logits, words, dense, smoothing, z_loss)
    empty = ~legal_mask(words, logits.shape[1]).any(1)
    return torch.where(inside | empty, loss, torch.inf), peak, log_sum, known & inside


def ragged_cross_entropy_backward(
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    offsets: Tensor,
    indices: Tensor,
    probabilities: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
    known: Tensor,
) -> Tensor:
    """Gradient of the logits."""
    dense, _ = _dense(logits, offsets, indices, probabilities)
    return soft_cross_entropy_backward(gradient, logits, words, dense, smoothing, z_loss, peak, log_sum, known)


def _loss(row: Rows, q: Tensor, smoothing: float, z_loss: float) -> Tensor:
    log_p = row.shifted - row.log_sum[:, None]
    target = _smooth(q, row.legal, smoothing)
    loss = -weighted(target, log_p).sum(1)
    if z_loss:
        loss = loss + z_loss * (row.peak + row.log_sum) ** 2
    return torch.where(row.peak.isnan(), torch.nan, loss)


def _judge(loss: Tensor, row: Rows, known: Tensor) -> Tensor:
    """An illegal target has probability 0 and so costs +inf; an empty row has nothing to learn and costs 0."""
    return torch.where(known, loss, torch.inf).masked_fill(row.empty, 0.0)


def _gradient(
    gradient: Tensor,
    logits: Tensor,
    legal: Tensor,
    target: Tensor,
    known: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
) -> Tensor:
    q = _smooth(target.to(peak.dtype).masked_fill(~legal, 0.0), legal, smoothing)
    p = (logits.to(peak.dtype) - peak[:, None] - log_sum[:, None]).masked_fill(~legal, -torch.inf).exp()
    total = q.sum(1) + 2 * z_loss * (peak + log_sum)
    result = gradient[:, None] * (total[:, None] * p - q)
    return result.masked_fill(~(legal & known[:, None]), 0.0).to(logits.dtype)


def _smooth(q: Tensor, legal: Tensor, smoothing: float) -> Tensor:
    if not smoothing:
        return q
    count = legal.sum(1, keepdim=True).clamp(min=1).to(q.dtype)
    return (1 - smoothing) * q + legal * (smoothing / count)


def _dense(logits: Tensor, offsets: Tensor, indices: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Spread ragged targets over `[R, N]`; also bool `[R]`: every index of the row lies in 0 .. N - 1."""
    rows_, size = logits.shape
    exact = torch.float64 if logits.dtype == torch.float64 else torch.float32
    owner = torch.repeat_interleave(torch.arange(rows_, device=logits.device), offsets.diff())
    used = slice(int(offsets[0]), int(offsets[-1])) if rows_ else slice(0, 0)
    column, mass = indices.to(torch.int64)[used], probabilities[used].to(exact)
    outside = (column < 0) | (column >= size)
    dense = torch.zeros(rows_, size, dtype=exact, device=logits.device)
    dense.index_put_((owner, column.clamp(0, size - 1)), mass.masked_fill(outside, 0.0), accumulate=True)
    wrong = torch.zeros(rows_, dtype=torch.int32, device=logits.device)
    wrong.index_add_(0, owner, (outside & (mass != 0)).to(torch.int32))
    return dense, wrong == 0
