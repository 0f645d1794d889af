# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""masked_softmax, masked_log_softmax and legal_log_probs, forward and backward."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import fresh, launch, operand, repeat, tile_for
from kernels.on_triton.tiles import (
    at,
    columns_of,
    fold,
    legal_tile,
    program_rows,
    read,
    row_max,
    row_sum,
    settle,
    statistics,
    write,
)
from kernels.ops.arguments import per_row, row_dtype


@triton.jit
def normalised(x, legal, peak, log_sum, s, empty, fill, LOG: tl.constexpr):
    """p of a tile [R, G, V] and 0 elsewhere, or log p and `fill` elsewhere."""
    shifted = x - peak[:, None, None]
    if LOG:
        value = tl.where(legal, shifted - log_sum[:, None, None], fill)
    else:
        value = tl.where(legal, tl.exp(shifted) / tl.where(empty, 1.0, s)[:, None, None], 0.0)
    return value


@triton.jit
def softmax_kernel(
    logits, words, out, peaks, log_sums,
    count, size, period, fill, x_row, x_col, w_row, w_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, WIDE_OUT: tl.constexpr,
    CAUSAL: tl.constexpr, LOG: tl.constexpr, ONE: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """p = e / sum e over legal entries, or log p; ONE: the row is one tile and stays in registers."""
    rows, live = program_rows(count, R)
    if ONE:
        # 1. Legal entries, with NaN set apart: maxima may drop it, and the row must say so.
        legal, some = legal_tile(words, w_row, w_col, rows, live, 0, size, G, V, period, CAUSAL)
        x = read(logits, x_row, x_col, rows, 0, legal, some, float("-inf"), G, V, WIDE, ACC)
        nan = row_max((x != x).to(tl.int32))
        x = tl.where(x != x, float("-inf"), x)
        # 2. Statistics.
        zero = tl.zeros([R], ACC)
        m, s, _t = fold(tl.full([R], float("-inf"), ACC), zero, zero, x, 1.0, False)
        peak, log_sum, empty, _undefined = settle(m, s, nan, row_sum(legal.to(tl.int32)))
        # 3. Every column is written, zeros (or fill) included.
        value = normalised(x, legal, peak, log_sum, s, empty, fill, LOG)
        write(out, o_row, rows, live, 0, size, value, G, V, WIDE_OUT)
    else:
        peak, log_sum, empty, _undefined, s, _t, _count, _best = statistics(
            logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC, period, CAUSAL
        )
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V, period, CAUSAL)
            x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
            value = normalised(x, legal, peak, log_sum, s, empty, fill, LOG)
            write(out, o_row, rows, live, start, size, value, G, V, WIDE_OUT)
    if LOG:
        tl.store(peaks + rows, peak, mask=live)
        tl.store(log_sums + rows, log_sum, mask=live)


@triton.jit
def softmax_backward_kernel(
    gradient, given, words, out, peaks, log_sums,
    count, size, period, g_row, g_col, y_row, y_col, w_row, w_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE_GRADIENT: tl.constexpr, WIDE: tl.constexpr,
    WIDE_OUT: tl.constexpr, CAUSAL: tl.constexpr, LOG: tl.constexpr, ONE: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """dx = p (g - sum p g), p given; or for log p: dx = g - p sum g, logits given, with their peaks and sums. Illegal
    gradients are never read, illegal dx is 0."""
    rows, live = program_rows(count, R)
    if LOG:
        peak = tl.load(peaks + rows, mask=live, other=0.0)[:, None, None]
        log_sum = tl.load(log_sums + rows, mask=live, other=0.0)[:, None, None]
    if ONE:
        legal, some = legal_tile(words, w_row, w_col, rows, live, 0, size, G, V, period, CAUSAL)
        g = read(gradient, g_row, g_col, rows, 0, legal, some, 0.0, G, V, WIDE_GRADIENT, ACC)
        if LOG:
            x = read(given, y_row, y_col, rows, 0, legal, some, float("-inf"), G, V, WIDE, ACC)
            value = g - tl.exp(x - peak - log_sum) * row_sum(g)[:, None, None]
        else:
            y = read(given, y_row, y_col, rows, 0, legal, some, 0.0, G, V, WIDE, ACC)
            value = y * (g - row_sum(y * g)[:, None, None])
        write(out, o_row, rows, live, 0, size, tl.where(legal, value, 0.0), G, V, WIDE_OUT)
    else:
        dot = tl.zeros([R], ACC)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V, period, CAUSAL)
            g = read(gradient, g_row, g_col, rows, start, legal, some, 0.0, G, V, WIDE_GRADIENT, ACC)
            if LOG:
                dot += row_sum(g)
            else:
                dot += row_sum(g * read(given, y_row, y_col, rows, start, legal, some, 0.0, G, V, WIDE, ACC))
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V, period, CAUSAL)
            g = read(gradient, g_row, g_col, rows, start, legal, some, 0.0, G, V, WIDE_GRADIENT, ACC)
            if LOG:
                x = read(given, y_row, y_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
                value = g - tl.exp(x - peak - log_sum) * dot[:, None, None]
            else:
                y = read(given, y_row, y_col, rows, start, legal, some, 0.0, G, V, WIDE, ACC)
                value = y * (g - dot[:, None, None])
            write(out, o_row, rows, live, start, size, tl.where(legal, value, 0.0), G, V, WIDE_OUT)


def masked_softmax(logits: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """Launch the forward."""
    return _forward(logits, words, period, 0.0, dtype, None)


def masked_log_softmax(
    logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Launch the forward of the logarithm, which also gives peak and log_sum `[R]`."""
    peak, log_sum = per_row(logits, 2)
    return _forward(logits, words, period, fill, dtype, (peak, log_sum)), peak, log_sum


def masked_softmax_backward(gradient: Tensor, output: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """Launch the backward."""
    return _backward(gradient, output.contiguous(), words, period, dtype, None)


def masked_log_softmax_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor, period: int
) -> Tensor:
    """Launch the backward of the logarithm."""
    return _backward(gradient, logits, words, period, logits.dtype, (peak.contiguous(), log_sum.contiguous()))


def _forward(
    logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype, saved: tuple[Tensor, Tensor] | None
) -> Tensor:
    """`saved`: where peak and log_sum go, for the logarithm."""
    out = torch.empty_like(logits, dtype=dtype, memory_format=torch.contiguous_format)
    given = logits, words, out, *(saved or (out, out))
    strides = logits.stride(), words.stride()
    form = "softmax", logits.shape, strides, logits.device, logits.dtype, dtype, period, fill, saved is None
    if repeat(form, given):
        return out
    count, size = logits.shape
    tile = tile_for(size, logits.dtype)
    x, o = operand(logits, tile), fresh(size, tile)
    launch(
        softmax_kernel, tile, logits.dtype, given, count, size, period, fill, x.row, x.column, *words.stride(), o.row,
        form=form, WIDE=x.wide, WIDE_OUT=o.wide, CAUSAL=period > 0, LOG=saved is not None, ONE=size <= tile.G * tile.V,
    )  # fmt: skip
    return out


def _backward(
    gradient: Tensor, given: Tensor, words: Tensor, period: int, dtype: torch.dtype,
    saved: tuple[Tensor, Tensor] | None,
) -> Tensor:  # fmt: skip
    count, size = gradient.shape
    out = torch.empty((count, size), dtype=dtype, device=gradient.device)
    tile = tile_for(size, dtype)
    g, y, o = operand(gradient, tile), operand(given, tile), fresh(size, tile)
    launch(
        softmax_backward_kernel, tile, dtype, (gradient, given, words, out, *(saved or (out, out))), count, size,
        period, g.row, g.column, y.row, y.column, *words.stride(), o.row, WIDE_GRADIENT=g.wide, WIDE=y.wide,
        WIDE_OUT=o.wide, CAUSAL=period > 0, LOG=saved is not None, ONE=size <= tile.G * tile.V,
    )  # fmt: skip
    return out


@triton.jit
def places(legal, seen, R: tl.constexpr, G: tl.constexpr, V: tl.constexpr):
    """Rank [R, G, V] of each legal entry among those of its row; `seen` [R] came in earlier tiles."""
    flat = tl.reshape(legal.to(tl.int32), [R, G * V])
    return tl.reshape(tl.cumsum(flat, 1), [R, G, V]) - 1 + seen[:, None, None]


@triton.jit
def compact_kernel(
    logits, words, values, indices, counts, peak, log_sum,
    count, size, width, x_row, x_col, w_row, w_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, K: tl.constexpr, WIDE: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. Statistics of the row. 2. Each legal entry goes to its rank; nothing is written for illegal ones. 3. The
    rest."""
    rows, live = program_rows(count, R)
    row_peak, row_log_sum, _empty, _undefined, _s, _t, legal_count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC
    )
    tl.store(peak + rows, row_peak, mask=live)
    tl.store(log_sum + rows, row_log_sum, mask=live)
    tl.store(counts + rows, legal_count, mask=live)
    seen = tl.zeros([R], tl.int32)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        place = places(legal, seen, R, G, V)
        seen += row_sum(legal.to(tl.int32))
        slot = rows[:, None, None] * width + place
        kept = legal & (place < width)
        tl.store(values + slot, x - row_peak[:, None, None] - row_log_sum[:, None, None], mask=kept)
        tl.store(indices + slot, columns_of(start, G, V) + tl.zeros([R, G, V], tl.int32), mask=kept)
    for first in range(0, width, K):
        slot = first + tl.arange(0, K)[None, :]
        rest = live[:, None] & (slot >= legal_count[:, None]) & (slot < width)
        address = rows[:, None] * width + slot
        tl.store(values + address, tl.full([R, K], float("-inf"), ACC), mask=rest)
        tl.store(indices + address, tl.full([R, K], -1, tl.int32), mask=rest)


@triton.jit
def compact_backward_kernel(
    gradient, logits, words, peak, log_sum, out,
    count, size, width, g_row, g_col, x_row, x_col, w_row, w_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, WIDE_OUT: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """dx = g - p sum g, where an entry finds its g at its rank, and has none past the width."""
    rows, live = program_rows(count, R)
    row_peak = tl.load(peak + rows, mask=live, other=0.0)
    row_log_sum = tl.load(log_sum + rows, mask=live, other=0.0)
    total = tl.zeros([R], ACC)
    for again in tl.static_range(2):
        seen = tl.zeros([R], tl.int32)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
            place = places(legal, seen, R, G, V)
            seen += row_sum(legal.to(tl.int32))
            address = gradient + rows[:, None, None] * g_row + at(place, g_col)
            g = tl.load(address, mask=legal & (place < width), other=0.0).to(ACC)
            if again == 0:
                total += row_sum(g)
            else:
                x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
                p = tl.exp(x - row_peak[:, None, None] - row_log_sum[:, None, None])
                value = tl.where(legal, g - p * total[:, None, None], 0.0)
                write(out, o_row, rows, live, start, size, value, G, V, WIDE_OUT)


def legal_log_probs(logits: Tensor, words: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Launch the forward."""
    count, size = logits.shape
    values = torch.empty((count, width), dtype=row_dtype(logits.dtype), device=logits.device)
    indices = torch.empty((count, width), dtype=torch.int32, device=logits.device)
    counts = torch.empty(count, dtype=torch.int32, device=logits.device)
    peak, log_sum = per_row(logits, 2)
    tile = tile_for(size, logits.dtype, widest=2048, area=1024)
    x = operand(logits, tile)
    launch(
        compact_kernel, tile, logits.dtype, (logits, words, values, indices, counts, peak, log_sum), count, size, width,
        x.row, x.column, *words.stride(), K=256, WIDE=x.wide,
    )  # fmt: skip
    return values, indices, counts, peak, log_sum


def legal_log_probs_backward(
    gradient: Tensor, indices: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor
) -> Tensor:
    """Launch the backward."""
    count, size = logits.shape
    out = torch.empty((count, size), dtype=logits.dtype, device=logits.device)
    tile = tile_for(size, logits.dtype, area=1024)
    x, o = operand(logits, tile), fresh(size, tile)
    launch(
        compact_backward_kernel, tile, logits.dtype, (gradient, logits, words, peak, log_sum, out), count, size,
        indices.shape[1], *gradient.stride(), x.row, x.column, *words.stride(), o.row, WIDE=x.wide, WIDE_OUT=o.wide,
    )  # fmt: skip
    return out
