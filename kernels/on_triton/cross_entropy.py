# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Cross-entropy with index, dense and ragged targets, with label smoothing and z-loss.

q' = (1 - eps) q + eps / n over the n legal entries of a row, log Z = peak + log_sum:

    loss = -sum q' log p + z (log Z)^2
    dx   = g [ (sum q' + 2 z log Z) p - q' ]

Of ragged targets a program takes one row, and walks only the entries that its target stores.
"""

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
def uniform_loss(
    logits, x_row, x_col, words, w_row, w_col, rows, live, size, peak, log_sum, share,
    G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """What smoothing adds: -share sum log p over the legal entries, [R]."""
    total = share * 0.0
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, 0.0, G, V, WIDE, ACC)
        log_p = x - peak[:, None, None] - log_sum[:, None, None]
        total -= share * row_sum(tl.where(legal, log_p, 0.0))
    return total


@triton.jit
def store_loss(loss, known, rows, live, total, good, empty, undefined, peak, log_sum, Z: tl.constexpr):
    """Add the z-loss. An illegal target has probability 0, which costs +inf; an empty row has nothing to learn."""
    if Z > 0.0:
        log_z = peak + log_sum
        total += Z * log_z * log_z
    total = tl.where(undefined, float("nan"), total)
    tl.store(known + rows, good.to(tl.uint8), mask=live)
    tl.store(loss + rows, tl.where(empty, 0.0, tl.where(good, total, float("inf"))), mask=live)


@triton.jit
def cross_entropy_kernel(
    logits, words, targets, loss, peak, log_sum, known,
    count, size, x_row, x_col, w_row, w_col, q_row, q_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, WIDE_Q: tl.constexpr, SOFT: tl.constexpr,
    EPS: tl.constexpr, Z: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. Statistics. 2. The target's part: one entry for an index, a pass for a distribution. 3. Smoothing, z-loss."""
    rows, live = program_rows(count, R)
    row_peak, row_log_sum, empty, undefined, _s, _t, legal_count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC
    )
    tl.store(peak + rows, row_peak, mask=live)
    tl.store(log_sum + rows, row_log_sum, mask=live)
    total = tl.zeros([R], ACC)
    share = EPS / tl.maximum(legal_count, 1).to(ACC)
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
            mixed = tl.where(legal, (1.0 - EPS) * q + share[:, None, None], 0.0)
            log_p = x - row_peak[:, None, None] - row_log_sum[:, None, None]
            total -= row_sum(tl.where(mixed == 0.0, 0.0, mixed * log_p))
        good = wrong == 0
    else:
        target = tl.load(targets + rows, mask=live, other=-1)
        good = entry_legal(words, w_row, w_col, rows, live, target, size)
        step = V if WIDE else 1
        taken = tl.load(logits + rows * x_row * step + at(target, x_col), mask=good).to(ACC)
        total -= (1.0 - EPS) * (taken - row_peak - row_log_sum)
        if EPS > 0.0:
            total += uniform_loss(
                logits, x_row, x_col, words, w_row, w_col, rows, live, size, row_peak, row_log_sum, share,
                G, V, WIDE, ACC,
            )  # fmt: skip
    store_loss(loss, known, rows, live, total, good, empty, undefined, row_peak, row_log_sum, Z)


@triton.jit
def cross_entropy_backward_kernel(
    gradient, logits, words, targets, peak, log_sum, known, out,
    count, size, g_step, x_row, x_col, w_row, w_col, q_row, q_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, WIDE_Q: tl.constexpr,
    WIDE_OUT: tl.constexpr, SOFT: tl.constexpr, EPS: tl.constexpr, Z: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. sum q' and n. 2. dx. A row whose target is illegal gets zeros: nothing can be learnt from it."""
    rows, live = program_rows(count, R)
    g = tl.load(gradient + rows * g_step, mask=live, other=0.0).to(ACC)
    row_peak = tl.load(peak + rows, mask=live, other=0.0)
    row_log_sum = tl.load(log_sum + rows, mask=live, other=0.0)
    mass = tl.full([R], 1.0, ACC)
    share = tl.zeros([R], ACC)
    good = tl.load(known + rows, mask=live, other=0) != 0
    if SOFT:
        mass = tl.zeros([R], ACC)
    else:
        target = tl.load(targets + rows, mask=live, other=-1)
    if SOFT or EPS > 0.0:
        legal_count = tl.zeros([R], tl.int32)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
            legal_count += row_sum(legal.to(tl.int32))
            if SOFT:
                mass += row_sum(read(targets, q_row, q_col, rows, start, legal, some, 0.0, G, V, WIDE_Q, ACC))
        share = EPS / tl.maximum(legal_count, 1).to(ACC)
        mass = (1.0 - EPS) * mass + EPS
    pull = mass + 2.0 * Z * (row_peak + row_log_sum)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        p = tl.exp(x - row_peak[:, None, None] - row_log_sum[:, None, None])
        if SOFT:
            q = read(targets, q_row, q_col, rows, start, legal, some, 0.0, G, V, WIDE_Q, ACC)
        else:
            q = (columns_of(start, G, V) == target[:, None, None]).to(ACC)
        value = g[:, None, None] * (pull[:, None, None] * p - ((1.0 - EPS) * q + share[:, None, None]))
        write(out, o_row, rows, live, start, size, tl.where(legal & good[:, None, None], value, 0.0), G, V, WIDE_OUT)


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
def ragged_kernel(
    logits, words, offsets, indices, probabilities, loss, peak, log_sum, known,
    count, size, held, x_row, x_col, w_row, w_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, K: tl.constexpr,
    WIDE: tl.constexpr, EPS: tl.constexpr, Z: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """As `cross_entropy_kernel`, one row a program: R is 1."""
    rows, live = program_rows(count, R)
    row_peak, row_log_sum, empty, undefined, _s, _t, legal_count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC
    )
    tl.store(peak + rows, row_peak)
    tl.store(log_sum + rows, row_log_sum)
    row = tl.program_id(0).to(tl.int64)
    begin = tl.maximum(tl.load(offsets + row), 0)
    end = tl.minimum(tl.load(offsets + row + 1), held)
    total = tl.zeros([1], ACC)
    wrong = tl.zeros([1], tl.int32)
    step = V if WIDE else 1
    for first in range(begin, end, K):
        column, q, legal, bad = entries(indices, probabilities, words, w_row, w_col, rows, first, end, size, K, ACC)
        wrong = tl.maximum(wrong, tl.max(bad.to(tl.int32), 0))
        x = tl.load(logits + rows * x_row * step + at(column, x_col), mask=legal).to(ACC)
        log_p = x - row_peak - row_log_sum
        total -= (1.0 - EPS) * tl.sum(tl.where(legal & (q != 0.0), q * log_p, 0.0), 0)
    if EPS > 0.0:
        share = EPS / tl.maximum(legal_count, 1).to(ACC)
        total += uniform_loss(
            logits, x_row, x_col, words, w_row, w_col, rows, live, size, row_peak, row_log_sum, share,
            G, V, WIDE, ACC,
        )  # fmt: skip
    store_loss(loss, known, rows, live, total, wrong == 0, empty, undefined, row_peak, row_log_sum, Z)


@triton.jit
def ragged_backward_kernel(
    gradient, logits, words, offsets, indices, probabilities, peak, log_sum, known, out,
    count, size, held, g_step, x_row, x_col, w_row, w_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, K: tl.constexpr,
    WIDE: tl.constexpr, WIDE_OUT: tl.constexpr, EPS: tl.constexpr, Z: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. sum q' and n. 2. g [(sum q' + 2 z log Z) p - eps / n] everywhere. 3. The stored entries again, with q."""
    rows, live = program_rows(count, R)
    row = tl.program_id(0).to(tl.int64)
    begin = tl.maximum(tl.load(offsets + row), 0)
    end = tl.minimum(tl.load(offsets + row + 1), held)
    good = tl.load(known + rows) != 0
    g = tl.load(gradient + rows * g_step).to(ACC)
    row_peak = tl.load(peak + rows)
    row_log_sum = tl.load(log_sum + rows)
    mass = tl.zeros([1], ACC)
    for first in range(begin, end, K):
        column, q, legal, _bad = entries(indices, probabilities, words, w_row, w_col, rows, first, end, size, K, ACC)
        mass += tl.sum(tl.where(legal, q, 0.0), 0)
    share = tl.zeros([1], ACC)
    if EPS > 0.0:
        legal_count = tl.zeros([1], tl.int32)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
            legal_count += row_sum(legal.to(tl.int32))
        share = EPS / tl.maximum(legal_count, 1).to(ACC)
    pull = (1.0 - EPS) * mass + EPS + 2.0 * Z * (row_peak + row_log_sum)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        p = tl.exp(x - row_peak[:, None, None] - row_log_sum[:, None, None])
        value = g[:, None, None] * (pull[:, None, None] * p - share[:, None, None])
        write(out, o_row, rows, live, start, size, tl.where(legal & good[:, None, None], value, 0.0), G, V, WIDE_OUT)
    # Other threads of this program wrote those columns; the barrier orders their stores before these.
    tl.debug_barrier()
    read_step = V if WIDE else 1
    write_step = V if WIDE_OUT else 1
    for first in range(begin, end, K):
        column, q, legal, _bad = entries(indices, probabilities, words, w_row, w_col, rows, first, end, size, K, ACC)
        x = tl.load(logits + rows * x_row * read_step + at(column, x_col), mask=legal).to(ACC)
        p = tl.exp(x - row_peak - row_log_sum)
        value = g * (pull * p - ((1.0 - EPS) * q + share))
        tl.store(out + rows * o_row * write_step + column, value.to(out.dtype.element_ty), mask=legal & good)


def cross_entropy(
    logits: Tensor, words: Tensor, targets: list[Tensor], smoothing: float, z_loss: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Launch the forward for index `[R]`, dense `[R, N]` or ragged targets; loss, peak, log_sum, known, `[R]` each."""
    count, size = logits.shape
    loss, peak, log_sum = per_row(logits, 3)
    known = torch.empty(count, dtype=torch.uint8, device=logits.device)
    tile = tile_for(size, logits.dtype)
    x = operand(logits, tile)
    if len(targets) == 3:
        indices, offsets, masses = targets
        launch(
            ragged_kernel, tile._replace(R=1), logits.dtype, logits, words, offsets, indices, masses, loss, peak,
            log_sum, known, count, size, indices.shape[0], x.row, x.column, *words.stride(), K=ENTRIES, WIDE=x.wide,
            EPS=smoothing, Z=z_loss,
        )  # fmt: skip
    else:
        target, q = _target(targets[0], tile, x)
        launch(
            cross_entropy_kernel, tile, logits.dtype, logits, words, target, loss, peak, log_sum, known, count, size,
            x.row, x.column, *words.stride(), q.row, q.column, WIDE=x.wide, WIDE_Q=q.wide, SOFT=target.dim() == 2,
            EPS=smoothing, Z=z_loss,
        )  # fmt: skip
    return loss, peak, log_sum, known.view(torch.bool)


def cross_entropy_backward(
    gradient: Tensor, logits: Tensor, words: Tensor, targets: list[Tensor], smoothing: float, z_loss: float,
    saved: list[Tensor],
) -> Tensor:  # fmt: skip
    """Launch the backward."""
    count, size = logits.shape
    out = torch.empty((count, size), dtype=logits.dtype, device=logits.device)
    peak, log_sum, known = saved
    known = known.view(torch.uint8)
    tile = tile_for(size, logits.dtype)
    x, o = operand(logits, tile), fresh(size, tile)
    if len(targets) == 3:
        indices, offsets, masses = targets
        launch(
            ragged_backward_kernel, tile._replace(R=1), logits.dtype, gradient, logits, words, offsets, indices,
            masses, peak, log_sum, known, out, count, size, indices.shape[0], gradient.stride(0), x.row, x.column,
            *words.stride(), o.row, K=ENTRIES, WIDE=x.wide, WIDE_OUT=o.wide, EPS=smoothing, Z=z_loss,
        )  # fmt: skip
    else:
        target, q = _target(targets[0], tile, x)
        launch(
            cross_entropy_backward_kernel, tile, logits.dtype, gradient, logits, words, target, peak, log_sum, known,
            out, count, size, gradient.stride(0), x.row, x.column, *words.stride(), q.row, q.column, o.row,
            WIDE=x.wide, WIDE_Q=q.wide, WIDE_OUT=o.wide, SOFT=target.dim() == 2, EPS=smoothing, Z=z_loss,
        )  # fmt: skip
    return out


def _target(target: Tensor, tile: Tile, logits: Operand) -> tuple[Tensor, Operand]:
    """Dense targets as a matrix; index targets contiguous, with an operand that is not read."""
    return (target, operand(target, tile)) if target.dim() == 2 else (target.contiguous(), logits)
