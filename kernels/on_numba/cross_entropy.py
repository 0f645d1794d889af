# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""Cross-entropy with index, dense and ragged targets, by the loops."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.compilation import njit
from kernels.on_numba.batch import NO_INDEX, NO_MATRIX, NONE, in_parts
from kernels.on_numba.rows import SLACK, find, gather, probabilities, statistics
from kernels.ops.arguments import per_row


@njit
def _forward_loop(first, last, logits, words, offsets, targets, masses, dense, loss, peaks, log_sums, known):
    """Cross-entropy of stored targets: row r's are offsets[r] .. offsets[r + 1]; an index target is one of mass 1. Or
    of `dense` targets [R, N], where that is not empty."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        loss[row] = peaks[row] = log_sums[row] = 0.0
        n = gather(words, row, size, size - 1, columns)
        known[row] = True
        value = 0.0
        peak = log_sum = 0.0
        if n:
            peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
            peaks[row], log_sums[row] = peak, log_sum
        if dense.shape[0]:
            present = 0
            for i in range(size):
                present += 1 if dense[row, i] != 0.0 else 0
            for i in range(n):
                q = np.float64(dense[row, columns[i]])
                if q != 0.0:
                    present -= 1
                    value -= q * (shifted[i] - log_sum)
            known[row] = present == 0
        begin, end = (0, 0) if dense.shape[0] else (offsets[row], offsets[row + 1])
        for i in range(begin, end):
            place = find(columns, n, targets[i])
            if place < 0:
                known[row] = known[row] and masses[i] == 0.0
            elif masses[i] != 0.0:
                value -= masses[i] * (shifted[place] - log_sum)
        if n:
            loss[row] = (value if peak == peak else np.nan) if known[row] else np.inf


@njit
def _backward_loop(
    first, last, gradient, logits, words, offsets, targets, masses, dense, peaks, log_sums, known, out
):  # fmt: skip
    """dx = g [(sum q) p - q], 0 in a row whose target is illegal."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    log_p, p = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, size - 1, columns)
        if n == 0 or not known[row]:
            continue
        g, peak, log_sum = np.float64(gradient[row]), np.float64(peaks[row]), np.float64(log_sums[row])
        if peak != peak:
            for i in range(n):
                out[row, columns[i]] = np.nan
            continue
        begin, end = (0, 0) if dense.shape[0] else (offsets[row], offsets[row + 1])
        mass = 0.0
        for i in range(begin, end):
            mass += masses[i]
        for i in range(n if dense.shape[0] else 0):
            mass += dense[row, columns[i]]
        probabilities(logits, row, columns, n, peak, log_sum, log_p, p)
        for i in range(n):
            p[i] *= mass
        for i in range(begin, end):
            place = find(columns, n, targets[i])
            if place >= 0:
                p[place] -= masses[i]
        for i in range(n if dense.shape[0] else 0):
            p[i] -= dense[row, columns[i]]
        for i in range(n):
            out[row, columns[i]] = g * p[i]


def cross_entropy(logits: Tensor, words: Tensor, targets: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """-> loss, peak, log_sum and bool `known`, `[R]` each."""
    loss, peak, log_sum = per_row(logits, 3)
    known = logits.new_empty(logits.shape[0], dtype=torch.bool)
    in_parts(_forward_loop, logits, logits, words, *_stored(targets), loss, peak, log_sum, known)
    return loss, peak, log_sum, known


def cross_entropy_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, targets: list[Tensor], saved: list[Tensor]
) -> Tensor:
    """[R, N] gradient of the logits."""
    peak, log_sum, known = saved
    out = logits.new_empty(logits.shape)
    in_parts(_backward_loop, logits, gradient, logits, words, *_stored(targets), peak, log_sum, known, out)
    return out


def _stored(targets: list[Tensor]) -> tuple[Any, Any, Any, Any]:
    """Offsets, indices, masses and dense targets as the loops take them."""
    if len(targets) == 3:
        indices, offsets, masses = targets
        # Kept within the entries, as the Triton kernel keeps them: a loop does not check its bounds.
        offsets = offsets.clamp(0, indices.shape[0])
        return offsets, indices.to(torch.int64), masses, NO_MATRIX
    if targets[0].dim() == 1:
        rows = targets[0].shape[0]
        return np.arange(rows + 1), targets[0], np.ones(rows, np.float32), NO_MATRIX
    return NO_INDEX, NO_INDEX, NONE, targets[0]
