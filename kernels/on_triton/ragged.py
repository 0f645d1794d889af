# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Kernels of the cross-entropy with ragged targets: a row's program walks only the entries that its target stores."""

from __future__ import annotations

import triton
import triton.language as tl

from kernels.on_triton.tiles import entry_legal, legal_tile, program_rows, read, row_sum, settle, statistics, write

# Of a target at a time. A chess position has at most 218 legal moves, but fewer entries than threads compile badly.
ENTRIES = 512


@triton.jit
def entries(
    offsets, indices, probabilities, words, w_row, w_col, rows, first, end, size, K: tl.constexpr, ACC: tl.constexpr
):
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
    m, s, _t, nan, legal_count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, 0, 1.0, R, G, V, WIDE, False, False, ACC
    )
    row_peak, row_log_sum, empty, undefined = settle(m, s, nan, legal_count)
    tl.store(peak + rows, row_peak)
    tl.store(log_sum + rows, row_log_sum)
    row = tl.program_id(0).to(tl.int64)
    begin = tl.maximum(tl.load(offsets + row), 0)
    end = tl.minimum(tl.load(offsets + row + 1), held)
    total = tl.zeros([1], ACC)
    wrong = tl.zeros([1], tl.int32)
    step = V if WIDE else 1
    for first in range(begin, end, K):
        column, q, legal, bad = entries(
            offsets, indices, probabilities, words, w_row, w_col, rows, first, end, size, K, ACC
        )
        wrong = tl.maximum(wrong, tl.max(bad.to(tl.int32), 0))
        x = tl.load(logits + rows * x_row * step + column * x_col, mask=legal).to(ACC)
        log_p = x - row_peak - row_log_sum
        total -= (1.0 - EPS) * tl.sum(tl.where(legal & (q != 0.0), q * log_p, 0.0), 0)
    if EPS > 0.0:
        share = EPS / tl.maximum(legal_count, 1).to(ACC)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
            x = read(logits, x_row, x_col, rows, start, legal, some, 0.0, G, V, WIDE, ACC)
            log_p = x - row_peak[:, None, None] - row_log_sum[:, None, None]
            total -= share * row_sum(tl.where(legal, log_p, 0.0))
    if Z > 0.0:
        log_z = row_peak + row_log_sum
        total += Z * log_z * log_z
    total = tl.where(undefined, float("nan"), total)
    tl.store(loss + rows, tl.where(empty, 0.0, tl.where(wrong == 0, total, float("inf"))))
    tl.store(known + rows, (wrong == 0).to(tl.uint8))


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
        column, q, legal, _bad = entries(
            offsets, indices, probabilities, words, w_row, w_col, rows, first, end, size, K, ACC
        )
        mass += tl.sum(tl.where(legal, q, 0.0), 0)
    share = tl.zeros([1], ACC)
    if EPS > 0.0:
        legal_count = tl.zeros([1], tl.int32)
        for start in range(0, size, G * V):
            legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
            legal_count += row_sum(legal.to(tl.int32))
        share = EPS / tl.maximum(legal_count, 1).to(ACC)
    pull = (1.0 - EPS) * mass + EPS + 2.0 * Z * (row_peak + row_log_sum)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        p = tl.exp(x - row_peak[:, None, None] - row_log_sum[:, None, None])
        value = g[:, None, None] * (pull[:, None, None] * p - share[:, None, None])
        write(out, o_row, rows, live, start, size, tl.where(legal & good[:, None, None], value, 0.0), G, V, WIDE_OUT)
    # Other threads of this program wrote those columns; the barrier orders their stores before these.
    tl.debug_barrier()
    read_step = V if WIDE else 1
    write_step = V if WIDE_OUT else 1
    for first in range(begin, end, K):
        column, q, legal, _bad = entries(
            offsets, indices, probabilities, words, w_row, w_col, rows, first, end, size, K, ACC
        )
        x = tl.load(logits + rows * x_row * read_step + column * x_col, mask=legal).to(ACC)
        p = tl.exp(x - row_peak - row_log_sum)
        value = g * (pull * p - ((1.0 - EPS) * q + share))
        tl.store(out + rows * o_row * write_step + column, value.to(out.dtype.element_ty), mask=legal & good)
