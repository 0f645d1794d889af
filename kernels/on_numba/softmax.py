# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""masked_softmax, masked_log_softmax and legal_log_probs by the loops; the backward of the last takes operators."""

import numpy as np
import torch
from torch import Tensor

from kernels.compilation import inlined, njit
from kernels.on_numba.batch import in_parts
from kernels.on_numba.rows import SLACK, exp, gather, statistics, total
from kernels.ops.arguments import per_row


@inlined
def last_column(row, size, period):
    """Of a causal row; `period` 0: not causal."""
    return min(row % period, size - 1) if period else size - 1


@njit
def _softmax_loop(first, last, logits, words, period, out):
    """p = e / sum e."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, last_column(row, size, period), columns)
        if n == 0:
            continue
        peak, _log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        s = total(e, n)
        for i in range(n):
            out[row, columns[i]] = e[i] / s if peak == peak else np.nan


@njit
def _softmax_backward_loop(first, last, gradient, probability, words, period, out):
    """dx = p (g - sum p g)."""
    size = probability.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    p, g, products = np.empty(size + SLACK), np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, last_column(row, size, period), columns)
        for i in range(n):
            p[i], g[i] = probability[row, columns[i]], gradient[row, columns[i]]
            products[i] = p[i] * g[i]
        dot = total(products, n)
        for i in range(n):
            out[row, columns[i]] = p[i] * (g[i] - dot)


@njit
def _log_softmax_loop(first, last, logits, words, period, fill, out, peaks, log_sums):
    """log p = x - peak - log(sum), and `fill` at illegal entries."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        out[row, :] = fill
        peaks[row] = log_sums[row] = 0.0
        n = gather(words, row, size, last_column(row, size, period), columns)
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        peaks[row], log_sums[row] = peak, log_sum
        for i in range(n):
            out[row, columns[i]] = shifted[i] - log_sum if peak == peak else np.nan


@njit
def _log_softmax_backward_loop(first, last, gradient, logits, words, peaks, log_sums, period, out):
    """dx = g - p sum g, with p from the logits again."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    p, g = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, last_column(row, size, period), columns)
        peak, log_sum = np.float64(peaks[row]), np.float64(log_sums[row])
        for i in range(n):
            g[i] = gradient[row, columns[i]]
            p[i] = np.float64(logits[row, columns[i]]) - peak - log_sum
        for i in range(n):
            p[i] = exp(min(p[i], 0.0)) if peak == peak else np.nan
        dot = total(g, n)
        for i in range(n):
            out[row, columns[i]] = g[i] - p[i] * dot


def masked_softmax(logits: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]."""
    out = logits.new_empty(logits.shape)
    in_parts(_softmax_loop, logits, logits, words, period, out)
    return out.to(dtype)


def masked_softmax_backward(gradient: Tensor, output: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]."""
    out = output.new_empty(output.shape)
    in_parts(_softmax_backward_loop, out, gradient, output, words, period, out)
    return out.to(dtype)


def masked_log_softmax(
    logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """[R, N] -> [R, N], and peak and log_sum `[R]`."""
    out = logits.new_empty(logits.shape)
    peak, log_sum = per_row(logits, 2)
    in_parts(_log_softmax_loop, logits, logits, words, period, fill, out, peak, log_sum)
    return out.to(dtype), peak, log_sum


def masked_log_softmax_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor, period: int
) -> Tensor:
    """[R, N] -> [R, N]."""
    out = logits.new_empty(logits.shape)
    in_parts(_log_softmax_backward_loop, logits, gradient, logits, words, peak, log_sum, period, out)
    return out


@njit
def _compact_loop(first, last, logits, words, values, indices, counts, peaks, log_sums):
    """Log-probabilities of the legal entries, packed to the left."""
    size, width = logits.shape[1], values.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        values[row, :] = -np.inf
        indices[row, :] = -1
        n = gather(words, row, size, size - 1, columns)
        counts[row] = n
        peaks[row] = log_sums[row] = 0.0
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        peaks[row], log_sums[row] = peak, log_sum
        for i in range(min(n, width)):
            indices[row, i] = columns[i]
            values[row, i] = shifted[i] - log_sum if peak == peak else np.nan


def legal_log_probs(logits: Tensor, words: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> values `[R, K]`, indices `[R, K]`, counts, peak and log_sum `[R]`."""
    values = logits.new_empty((logits.shape[0], width))
    indices, counts = (logits.new_empty(shape, dtype=torch.int32) for shape in (values.shape, values.shape[:1]))
    peak, log_sum = per_row(logits, 2)
    in_parts(_compact_loop, logits, logits, words, values, indices, counts, peak, log_sum)
    return values, indices, counts, peak, log_sum
