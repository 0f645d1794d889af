# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""masked_softmax and masked_log_softmax, forward and backward.

Addresses and strides go to the loops in one block of numbers, for the operators must cost little beside 256 rows of
1,880: a NumPy view of each tensor and its look-up by Numba took longer than the arithmetic. A bool mask is read as it
is; its words are written on the way where a backward will want them.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.on_numba.compilation import Shared, inlined, shared
from kernels.on_numba.machine import (
    bytes_at,
    clear,
    doubles_at,
    floats_at,
    nonzero_bytes,
    numbers_at,
    pair_of_words,
    prefetch,
    take,
    words_at,
)
from kernels.on_numba.rows import HALF, ONE, SLACK, WHOLE, exp, padded, spread, sum_of_exp, total
from kernels.on_numba.threads import parts_of, share

# Places in a block: the counter that threads take their rows from, and the matrices by address and strides in elements.
# Words and mask have their row stride in bytes; `KEPT` is 0 or where the words of a mask of bytes go.
COUNTER, ROWS, SIZE, CHUNK, PERIOD, X, X_ROW, X_COLUMN, LEGAL, LEGAL_ROW, IS_BYTES, KEPT = range(12)
OUT, G, G_ROW, G_COLUMN, IS_LOG, PEAK, LOG_SUM, FILL = range(12, 20)
_numbers = ctypes.c_int64 * 19


class _Block(ctypes.Structure):
    _fields_ = (("numbers", _numbers), ("fill", ctypes.c_double))


@inlined
def legal_columns(block, row, columns):
    """Gather the legal columns of a row from bytes or words."""
    size = block[SIZE]
    period = block[PERIOD]
    end = np.uint64(min(row % period, size - 1) + 1 if period else size)
    width = np.uint64((size + 31) // 32)
    n, w = np.uint64(0), np.uint64(0)
    legal = block[LEGAL] + row * block[LEGAL_ROW]
    mask, words = bytes_at(legal), words_at(legal)
    kept = words_at(block[KEPT] + row * np.int64(width) * 4)
    keep = block[KEPT] != 0
    is_bytes = block[IS_BYTES] != 0
    all_columns = np.uint64(size)
    while w < width:
        first = w * HALF
        left = all_columns - first
        if not is_bytes:
            word = pair_of_words(legal + np.int64(first) // 8) if w + ONE < width else np.uint64(words[w])
            if left < WHOLE:  # spare bits may hold anything
                word &= (ONE << left) - ONE
        elif left >= WHOLE:
            word = nonzero_bytes(legal + np.int64(first))
        elif all_columns >= WHOLE:  # the last 64 bytes, less those that were read before
            word = nonzero_bytes(legal + size - 64) >> (WHOLE - left)
        else:
            word = np.uint64(0)
            for i in range(left):
                word |= np.uint64(mask[np.uint64(i)] != 0) << np.uint64(i)
        if keep:
            kept[w] = np.uint32(word)
            if w + ONE < width:
                kept[w + ONE] = np.uint32(word >> HALF)
        if end < first + WHOLE:
            word = word & ((ONE << (end - first)) - ONE) if end > first else np.uint64(0)
        n = spread(word, first, columns, n)
        w += np.uint64(2)
    return n


@shared
def forward(address):
    """p = e / sum e, or its logarithm with `fill` at illegal entries; peaks and logarithms of sums where asked for."""
    block = numbers_at(address)
    fill = np.float32(doubles_at(address)[FILL])
    rows, size, chunk, is_log = block[ROWS], np.uint64(block[SIZE]), block[CHUNK], block[IS_LOG] != 0
    step = block[X_COLUMN]
    columns, ahead = np.empty(size + np.uint64(SLACK), np.uint32), np.empty(size + np.uint64(SLACK), np.uint32)
    e = np.empty(size + np.uint64(SLACK))
    peaks, log_sums = floats_at(block[PEAK]), floats_at(block[LOG_SUM])
    while True:
        first = take(address) * chunk
        if first >= rows:
            return
        # The entries of the next row are on their way while this one is computed.
        n_ahead = np.uint64(0)
        for below in range(first, min(first + chunk, rows) + 1):
            columns, ahead, n = ahead, columns, n_ahead
            if below < min(first + chunk, rows):
                n_ahead = legal_columns(block, below, ahead)
                for i in range(n_ahead):
                    prefetch(block[X] + 4 * (below * block[X_ROW] + np.int64(ahead[np.uint64(i)]) * step))
            if below == first:
                continue
            row = below - 1
            x = floats_at(block[X] + 4 * row * block[X_ROW])
            y = floats_at(block[OUT] + 4 * row * np.int64(size))
            if is_log:
                for i in range(size):
                    y[np.uint64(i)] = fill
                peaks[row] = log_sums[row] = np.float32(0.0)
            else:
                clear(block[OUT] + 4 * row * np.int64(size), 4 * np.int64(size))
            if n == 0:
                continue
            peak: Any = -np.inf
            sound: Any = True
            for i in range(n):
                value = np.float64(x[np.int64(columns[np.uint64(i)]) * step])
                e[np.uint64(i)] = value
                sound &= value < np.inf  # false of NaN, too
                peak = value if value > peak else peak
            if not sound or peak == -np.inf:
                for i in range(n):
                    y[np.uint64(columns[np.uint64(i)])] = np.float32(np.nan)
                if is_log:
                    peaks[row] = np.float32(np.nan)
            elif is_log:
                log_sum = math.log(sum_of_exp(e, n, peak))
                for i in range(n):
                    column = columns[np.uint64(i)]
                    value = np.float64(x[np.int64(column) * step])
                    y[np.uint64(column)] = np.float32(value - peak - log_sum)
                peaks[row], log_sums[row] = np.float32(peak), np.float32(log_sum)
            else:
                s = sum_of_exp(e, n, peak)
                for i in range(n):
                    y[np.uint64(columns[np.uint64(i)])] = np.float32(e[np.uint64(i)] / s)


@shared
def backward(address):
    """dx = p (g - sum p g) from p, or dx = g - p sum g from logits, peaks and sums."""
    block = numbers_at(address)
    rows, size, chunk, is_log = block[ROWS], np.uint64(block[SIZE]), block[CHUNK], block[IS_LOG] != 0
    step, g_step = block[X_COLUMN], block[G_COLUMN]
    columns, ahead = np.empty(size + np.uint64(SLACK), np.uint32), np.empty(size + np.uint64(SLACK), np.uint32)
    p, g, products = (np.empty(size + np.uint64(SLACK)), np.empty(size + np.uint64(SLACK)),
                      np.empty(size + np.uint64(SLACK)))  # fmt: skip
    peaks, log_sums = floats_at(block[PEAK]), floats_at(block[LOG_SUM])
    while True:
        first = take(address) * chunk
        if first >= rows:
            return
        # The entries of the next row are on their way while this one is computed.
        n_ahead = np.uint64(0)
        for below in range(first, min(first + chunk, rows) + 1):
            columns, ahead, n = ahead, columns, n_ahead
            if below < min(first + chunk, rows):
                n_ahead = legal_columns(block, below, ahead)
                for i in range(n_ahead):
                    column = np.int64(ahead[np.uint64(i)])
                    prefetch(block[X] + 4 * (below * block[X_ROW] + column * step))
                    prefetch(block[G] + 4 * (below * block[G_ROW] + column * g_step))
            if below == first:
                continue
            row = below - 1
            x = floats_at(block[X] + 4 * row * block[X_ROW])
            incoming = floats_at(block[G] + 4 * row * block[G_ROW])
            dx = floats_at(block[OUT] + 4 * row * np.int64(size))
            clear(block[OUT] + 4 * row * np.int64(size), 4 * np.int64(size))
            for i in range(n):
                j = np.uint64(i)
                column = np.int64(columns[j])
                p[j] = x[column * step]
                g[j] = incoming[column * g_step]
            if is_log:
                dot = total(g, n)
                peak, log_sum = np.float64(peaks[row]), np.float64(log_sums[row])
                for i in range(padded(p, n, -np.inf)):
                    log_p = p[np.uint64(i)] - peak - log_sum
                    p[np.uint64(i)] = exp(log_p if log_p < 0.0 else 0.0) if peak == peak else np.nan
                for i in range(n):
                    j = np.uint64(i)
                    dx[np.uint64(columns[j])] = np.float32(g[j] - p[j] * dot)
            else:
                for i in range(n):
                    j = np.uint64(i)
                    products[j] = p[j] * g[j]
                dot = total(products, n)
                for i in range(n):
                    j = np.uint64(i)
                    dx[np.uint64(columns[j])] = np.float32(p[j] * (g[j] - dot))


def run(
    loop: Shared, x: Tensor, legal: Tensor, out: Tensor, period: int = 0, kept: Tensor | None = None,
    gradient: Tensor | None = None, statistics: tuple[Tensor, Tensor] | None = None, fill: float = 0.0,
) -> None:  # fmt: skip
    """Fill `out` `[R, N]` by `forward` or `backward`.

    x: float32 `[R, N]`, any strides; legal: bool or uint8 `[R, N]` or words `[R, W]`, of column stride 1. `statistics`
    (peaks and logarithms of sums, `[R]`) makes it the logarithm's.
    """
    rows, size = out.shape
    parts = parts_of(rows, rows * size)
    x_row, x_column = x.stride()
    g_row, g_column = gradient.stride() if gradient is not None else (0, 0)
    packed = legal.dtype is torch.int32
    block = _Block(
        _numbers(
            0, rows, size, 16 if parts > 1 else rows, period,
            x.data_ptr(), x_row, x_column,
            legal.data_ptr(), legal.stride(0) * (4 if packed else 1), not packed,
            0 if kept is None else kept.data_ptr(),
            out.data_ptr(), 0 if gradient is None else gradient.data_ptr(), g_row, g_column,
            *((0, 0, 0) if statistics is None else (1, statistics[0].data_ptr(), statistics[1].data_ptr())),
        ),
        fill,
    )  # fmt: skip
    share(loop, block, parts)


def masked_softmax(logits: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]."""
    out = torch.empty(logits.shape)
    run(forward, logits, _rowwise(words), out, period)
    return out if dtype is torch.float32 else out.to(dtype)


def masked_softmax_backward(
    gradient: Tensor, probability: Tensor, words: Tensor, period: int, dtype: torch.dtype
) -> Tensor:
    """[R, N] -> [R, N]."""
    out = torch.empty(probability.shape)
    run(backward, probability, _rowwise(words), out, period, gradient=gradient)
    return out if dtype is torch.float32 else out.to(dtype)


def masked_log_softmax(
    logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """[R, N] -> [R, N], and peak and log_sum `[R]`."""
    out, peak, log_sum = torch.empty(logits.shape), torch.empty(logits.shape[0]), torch.empty(logits.shape[0])
    run(forward, logits, _rowwise(words), out, period, statistics=(peak, log_sum), fill=fill)
    return out if dtype is torch.float32 else out.to(dtype), peak, log_sum


def masked_log_softmax_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor, period: int
) -> Tensor:
    """[R, N] -> [R, N]."""
    out = torch.empty(logits.shape)
    statistics = peak.contiguous(), log_sum.contiguous()
    run(backward, logits, _rowwise(words), out, period, gradient=gradient, statistics=statistics)
    return out


def _rowwise(words: Tensor) -> Tensor:
    return words if words.stride(1) == 1 else words.contiguous()
