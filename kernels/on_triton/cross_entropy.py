# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Cross-entropy with index and dense targets, with label smoothing and z-loss; ragged targets have a file of their own.

q' = (1 - eps) q + eps / n over the n legal entries of a row, log Z = peak + log_sum:

    loss = -sum q' log p + z (log Z)^2
    dx   = g [ (sum q' + 2 z log Z) p - q' ]
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import Operand, Tile, launch, operand, per_row, tile_for
from kernels.on_triton.ragged import ENTRIES, ragged_backward_kernel, ragged_kernel
from kernels.on_triton.tiles import (
    columns_of,
    entry_legal,
    legal_tile,
    program_rows,
    read,
    row_max,
    row_sum,
    settle,
    statistics,
    write,
)


@triton.jit
def cross_entropy_kernel(
    logits, words, targets, loss, peak, log_sum, known,
    count, size, x_row, x_col, w_row, w_col, q_row, q_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, WIDE_Q: tl.constexpr, SOFT: tl.constexpr,
    EPS: tl.constexpr, Z: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. Statistics. 2. The target's part: one entry for an index, a pass for a distribution. 3. Smoothing, z-loss."""
    rows, live = program_rows(count, R)
    m, s, _t, nan, legal_count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, 0, 1.0, R, G, V, WIDE, False, False, ACC
    )
    row_peak, row_log_sum, empty, undefined = settle(m, s, nan, legal_count)
    tl.store(peak + rows, row_peak, mask=live)
    tl.store(log_sum + rows, row_log_sum, mask=live)
    total = tl.zeros([R], ACC)
    share = EPS / tl.maximum(legal_count, 1).to(ACC)
    if SOFT:
        wrong = tl.zeros([R], tl.int32)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
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
        taken = tl.load(logits + rows * x_row * step + target * x_col, mask=good).to(ACC)
        total -= (1.0 - EPS) * (taken - row_peak - row_log_sum)
        if EPS > 0.0:
            for start in range(0, size, G * V):
                legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
                x = read(logits, x_row, x_col, rows, start, legal, some, 0.0, G, V, WIDE, ACC)
                log_p = x - row_peak[:, None, None] - row_log_sum[:, None, None]
                total -= share * row_sum(tl.where(legal, log_p, 0.0))
    if Z > 0.0:
        log_z = row_peak + row_log_sum
        total += Z * log_z * log_z
    total = tl.where(undefined, float("nan"), total)
    tl.store(known + rows, good, mask=live)
    # An illegal target has probability 0, which costs +inf; an empty row has nothing to learn.
    tl.store(loss + rows, tl.where(empty, 0.0, tl.where(good, total, float("inf"))), mask=live)


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
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
            legal_count += row_sum(legal.to(tl.int32))
            if SOFT:
                mass += row_sum(read(targets, q_row, q_col, rows, start, legal, some, 0.0, G, V, WIDE_Q, ACC))
        share = EPS / tl.maximum(legal_count, 1).to(ACC)
        mass = (1.0 - EPS) * mass + EPS
    pull = mass + 2.0 * Z * (row_peak + row_log_sum)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        p = tl.exp(x - row_peak[:, None, None] - row_log_sum[:, None, None])
        if SOFT:
            q = read(targets, q_row, q_col, rows, start, legal, some, 0.0, G, V, WIDE_Q, ACC)
        else:
            q = (columns_of(start, G, V) == target[:, None, None]).to(ACC)
        value = g[:, None, None] * (pull[:, None, None] * p - ((1.0 - EPS) * q + share[:, None, None]))
        write(out, o_row, rows, live, start, size, tl.where(legal & good[:, None, None], value, 0.0), G, V, WIDE_OUT)


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
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    targets: list[Tensor],
    smoothing: float,
    z_loss: float,
    saved: list[Tensor],
) -> Tensor:
    """Launch the backward."""
    count, size = logits.shape
    out = torch.empty((count, size), dtype=logits.dtype, device=logits.device)
    peak, log_sum, known = saved
    known = known.view(torch.uint8)
    tile = tile_for(size, logits.dtype)
    x, o = operand(logits, tile), operand(out, tile)
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
