# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Cross-entropy with index, dense and ragged targets: loss = -sum q log p, dx = g [(sum q) p - q].

Of ragged targets a program takes one row, and walks only the entries that its target stores."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import Operand, Tile, fresh, launch, operand, tile_for
from kernels.on_triton.tiles import (
    at,
    columns_of,
    entry_legal,
    legal_tile,
    program_rows,
    read,
    row_max,
    row_sum,
    statistics,
    write,
)
from kernels.ops.arguments import per_row

# Of a target at a time. A chess position has at most 218 legal moves, but fewer entries than threads compile badly.
ENTRIES = 512


@triton.jit
def stored(offsets, held):
    """First and end of the row's stored entries, kept within the `held` ones there are."""
    row = tl.program_id(0).to(tl.int64)
    return tl.maximum(tl.load(offsets + row), 0), tl.minimum(tl.load(offsets + row + 1), held)


@triton.jit
def entries(indices, probabilities, words, w_row, w_col, rows, first, end, size, K: tl.constexpr, ACC: tl.constexpr):
    """Columns, probabilities and legality [K] of a row's stored entries; entries of probability 0 count as legal."""
    place = first + tl.arange(0, K)
    here = place < end
    column = tl.load(indices + place, mask=here, other=0).to(tl.int64)
    q = tl.load(probabilities + place, mask=here, other=0.0).to(ACC)
    legal = entry_legal(words, w_row, w_col, rows, here, column, size)
    return column, q, legal, here & (q != 0.0) & (legal == 0)


@triton.jit
def cross_entropy_kernel(
    logits, words, targets, offsets, indices, loss, peak, log_sum, known,
    count, size, held, x_row, x_col, w_row, w_col, q_row, q_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, K: tl.constexpr, WIDE: tl.constexpr, WIDE_Q: tl.constexpr,
    SOFT: tl.constexpr, RAGGED: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. Statistics. 2. The target's part: one entry for an index, a pass for a distribution, or its stored entries."""
    rows, live = program_rows(count, R)
    row_peak, row_log_sum, empty, undefined, _s, _t, _count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC
    )
    tl.store(peak + rows, row_peak, mask=live)
    tl.store(log_sum + rows, row_log_sum, mask=live)
    total = tl.zeros([R], ACC)
    if SOFT:
        wrong = tl.zeros([R], tl.int32)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
            inside = (columns_of(start, G, V) < size) & live[:, None, None]
            group = (start + tl.arange(0, G) * V < size)[None, :, None] & live[:, None, None]
            # Targets are read everywhere: mass on an illegal entry is an error to report, not to drop.
            q = read(targets, q_row, q_col, rows, start, inside, group, 0.0, G, V, WIDE_Q, ACC)
            wrong = tl.maximum(wrong, row_max(((q != 0.0) & (legal == 0)).to(tl.int32)))
            x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
            q = tl.where(legal, q, 0.0)
            log_p = x - row_peak[:, None, None] - row_log_sum[:, None, None]
            total -= row_sum(tl.where(q == 0.0, 0.0, q * log_p))
        good = wrong == 0
    else:
        step = V if WIDE else 1
        if RAGGED:
            begin, end = stored(offsets, held)
            wrong = tl.zeros([R], tl.int32)
            for first in range(begin, end, K):
                column, q, legal, bad = entries(indices, targets, words, w_row, w_col, rows, first, end, size, K, ACC)
                wrong = tl.maximum(wrong, tl.max(bad.to(tl.int32), 0))
                x = tl.load(logits + rows * x_row * step + at(column, x_col), mask=legal).to(ACC)
                log_p = x - row_peak - row_log_sum
                total -= tl.sum(tl.where(legal & (q != 0.0), q * log_p, 0.0), 0)
            good = wrong == 0
        else:
            target = tl.load(targets + rows, mask=live, other=-1)
            good = entry_legal(words, w_row, w_col, rows, live, target, size)
            taken = tl.load(logits + rows * x_row * step + at(target, x_col), mask=good).to(ACC)
            total -= taken - row_peak - row_log_sum
    total = tl.where(undefined, float("nan"), total)
    tl.store(known + rows, good.to(tl.uint8), mask=live)
    # An illegal target has probability 0, which costs +inf; an empty row has nothing to learn.
    tl.store(loss + rows, tl.where(empty, 0.0, tl.where(good, total, float("inf"))), mask=live)


@triton.jit
def cross_entropy_backward_kernel(
    gradient, logits, words, targets, offsets, indices, peak, log_sum, known, out,
    count, size, held, g_step, x_row, x_col, w_row, w_col, q_row, q_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, K: tl.constexpr, WIDE: tl.constexpr, WIDE_Q: tl.constexpr,
    WIDE_OUT: tl.constexpr, SOFT: tl.constexpr, RAGGED: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. sum q. 2. dx, without q where that is stored. 3. The stored entries again, with q. A row whose target
    is illegal gets zeros: nothing can be learnt from it."""
    rows, live = program_rows(count, R)
    g = tl.load(gradient + rows * g_step, mask=live, other=0.0).to(ACC)
    row_peak = tl.load(peak + rows, mask=live, other=0.0)
    row_log_sum = tl.load(log_sum + rows, mask=live, other=0.0)
    mass = tl.full([R], 1.0, ACC)
    good = tl.load(known + rows, mask=live, other=0) != 0
    if SOFT:
        mass = tl.zeros([R], ACC)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
            mass += row_sum(read(targets, q_row, q_col, rows, start, legal, some, 0.0, G, V, WIDE_Q, ACC))
    elif RAGGED:
        mass = tl.zeros([R], ACC)
        begin, end = stored(offsets, held)
        for first in range(begin, end, K):
            column, q, legal, _bad = entries(indices, targets, words, w_row, w_col, rows, first, end, size, K, ACC)
            mass += tl.sum(tl.where(legal, q, 0.0), 0)
    else:
        target = tl.load(targets + rows, mask=live, other=-1)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        p = tl.exp(x - row_peak[:, None, None] - row_log_sum[:, None, None])
        if SOFT:
            q = read(targets, q_row, q_col, rows, start, legal, some, 0.0, G, V, WIDE_Q, ACC)
        elif RAGGED:
            q = tl.zeros([1, 1, 1], ACC)
        else:
            q = (columns_of(start, G, V) == target[:, None, None]).to(ACC)
        value = g[:, None, None] * (mass[:, None, None] * p - q)
        write(out, o_row, rows, live, start, size, tl.where(legal & good[:, None, None], value, 0.0), G, V, WIDE_OUT)
    if RAGGED:
        # Other threads of this program wrote those columns; the barrier orders their stores before these.
        tl.debug_barrier()
        read_step = V if WIDE else 1
        write_step = V if WIDE_OUT else 1
        for first in range(begin, end, K):
            column, q, legal, _bad = entries(indices, targets, words, w_row, w_col, rows, first, end, size, K, ACC)
            x = tl.load(logits + rows * x_row * read_step + at(column, x_col), mask=legal).to(ACC)
            p = tl.exp(x - row_peak - row_log_sum)
            value = g * (mass * p - q)
            tl.store(out + rows * o_row * write_step + column, value.to(out.dtype.element_ty), mask=legal & good)


def cross_entropy(logits: Tensor, words: Tensor, targets: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Launch the forward for index `[R]`, dense `[R, N]` or ragged targets; loss, peak, log_sum, known, `[R]` each."""
    count, size = logits.shape
    loss, peak, log_sum = per_row(logits, 3)
    known = torch.empty(count, dtype=torch.uint8, device=logits.device)
    tile, x, given, held, q, form = _operands(logits, targets)
    launch(
        cross_entropy_kernel, tile, logits.dtype, (logits, words, *given, loss, peak, log_sum, known), count, size,
        held, x.row, x.column, *words.stride(), q.row, q.column, WIDE=x.wide, WIDE_Q=q.wide, **form,
    )  # fmt: skip
    return loss, peak, log_sum, known.view(torch.bool)


def cross_entropy_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, targets: list[Tensor], saved: list[Tensor]
) -> Tensor:
    """Launch the backward."""
    count, size = logits.shape
    out = torch.empty((count, size), dtype=logits.dtype, device=logits.device)
    peak, log_sum, known = saved
    tile, x, given, held, q, form = _operands(logits, targets)
    o = fresh(size, tile)
    launch(
        cross_entropy_backward_kernel, tile, logits.dtype,
        (gradient, logits, words, *given, peak, log_sum, known.view(torch.uint8), out), count, size, held,
        gradient.stride(0), x.row, x.column, *words.stride(), q.row, q.column, o.row, WIDE=x.wide,
        WIDE_Q=q.wide, WIDE_OUT=o.wide, **form,
    )  # fmt: skip
    return out


def _operands(
    logits: Tensor, targets: list[Tensor]
) -> tuple[Tile, Operand, tuple[Tensor, ...], int, Operand, dict[str, Any]]:
    """The tile; logits; targets, offsets and indices, and how many are stored, where what a form has not is never read;
    dense targets; the form."""
    tile = tile_for(logits.shape[1], logits.dtype)
    x, form = operand(logits, tile), {"K": ENTRIES, "SOFT": targets[0].dim() == 2, "RAGGED": len(targets) == 3}
    if len(targets) == 3:
        indices, offsets, masses = targets
        return tile._replace(R=1), x, (masses, offsets, indices), indices.shape[0], x, form
    target = targets[0] if targets[0].dim() == 2 else targets[0].contiguous()
    return tile, x, (target, target, target), 0, operand(target, tile) if target.dim() == 2 else x, form
