# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Log-probabilities of the legal entries alone, forward and backward."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.arguments import per_row, row_dtype
from kernels.on_triton.launch import launch, operand, tile_for
from kernels.on_triton.tiles import columns_of, legal_tile, program_rows, read, row_sum, statistics, write


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
    rest.
    """
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
            address = gradient + rows[:, None, None] * g_row + place * g_col
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
        compact_kernel, tile, logits.dtype, logits, words, values, indices, counts, peak, log_sum, count, size, width,
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
    x, o = operand(logits, tile), operand(out, tile)
    launch(
        compact_backward_kernel, tile, logits.dtype, gradient, logits, words, peak, log_sum, out, count, size,
        indices.shape[1], *gradient.stride(), x.row, x.column, *words.stride(), o.row, WIDE=x.wide, WIDE_OUT=o.wide,
    )  # fmt: skip
    return out
