# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Log-probability of one move a row, entropy and most probable move, with their common backward."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import launch, operand, tile_for
from kernels.on_triton.tiles import columns_of, entry_legal, legal_tile, program_rows, read, statistics, write
from kernels.ops.arguments import per_row


@triton.jit
def terms_kernel(
    logits, words, moves, log_prob, entropy, best, peak, log_sum,
    count, size, x_row, x_col, w_row, w_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, MOVES: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """One pass: with e = exp(x - m), s = sum e and t = sum e (x - m), log p = x - m - log s and H = log s - t / s."""
    rows, live = program_rows(count, R)
    row_peak, row_log_sum, empty, undefined, s, t, _count, first = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC
    )
    h = row_log_sum - t / tl.where(empty, 1.0, s)
    tl.store(entropy + rows, tl.where(empty, 0.0, tl.where(undefined, float("nan"), h)), mask=live)
    tl.store(best + rows, tl.where(empty | undefined, -1, first).to(tl.int64), mask=live)
    tl.store(peak + rows, row_peak, mask=live)
    tl.store(log_sum + rows, row_log_sum, mask=live)
    if MOVES:
        move = tl.load(moves + rows, mask=live, other=-1)
        known = entry_legal(words, w_row, w_col, rows, live, move, size)
        step = V if WIDE else 1
        taken = tl.load(logits + rows * x_row * step + move * x_col, mask=known).to(ACC)
        value = tl.where(known, taken - row_peak - row_log_sum, float("-inf"))
        tl.store(log_prob + rows, tl.where(empty, 0.0, value), mask=live)
    else:
        tl.store(log_prob + rows, tl.zeros([R], ACC), mask=live)


@triton.jit
def terms_backward_kernel(
    log_prob_gradient, entropy_gradient, logits, words, moves, peak, log_sum, entropy, out,
    count, size, gl_step, gh_step, x_row, x_col, w_row, w_col, o_row,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, WIDE_OUT: tl.constexpr, MOVES: tl.constexpr,
    ENTROPY: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """dx = g_logp (1[move] - p) - g_H p (log p + H), 0 at illegal entries; an illegal move sends nothing through
    g_logp.
    """
    rows, live = program_rows(count, R)
    row_peak = tl.load(peak + rows, mask=live, other=0.0)
    row_log_sum = tl.load(log_sum + rows, mask=live, other=0.0)
    if MOVES:
        move = tl.load(moves + rows, mask=live, other=-1)
        known = entry_legal(words, w_row, w_col, rows, live, move, size)
        gl = tl.where(known, tl.load(log_prob_gradient + rows * gl_step, mask=live, other=0.0).to(ACC), 0.0)
    if ENTROPY:
        gh = tl.load(entropy_gradient + rows * gh_step, mask=live, other=0.0).to(ACC)
        h = tl.load(entropy + rows, mask=live, other=0.0)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        log_p = x - row_peak[:, None, None] - row_log_sum[:, None, None]
        p = tl.exp(log_p)
        value = tl.zeros([R, G, V], ACC)
        if MOVES:
            taken = columns_of(start, G, V) == move[:, None, None]
            value += gl[:, None, None] * (taken.to(ACC) - p)
        if ENTROPY:
            # p log p -> 0 as p -> 0, where log p may be -inf.
            value -= gh[:, None, None] * (tl.where(p == 0.0, 0.0, p * log_p) + p * h[:, None, None])
        write(out, o_row, rows, live, start, size, tl.where(legal, value, 0.0), G, V, WIDE_OUT)


def policy_terms(logits: Tensor, words: Tensor, moves: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Launch the forward."""
    count, size = logits.shape
    log_prob, entropy, peak, log_sum = per_row(logits, 4)
    best = torch.empty(count, dtype=torch.int64, device=logits.device)
    tile = tile_for(size, logits.dtype)
    x = operand(logits, tile)
    launch(
        terms_kernel, tile, logits.dtype, logits, words, best if moves is None else moves.contiguous(), log_prob,
        entropy, best, peak, log_sum, count, size, x.row, x.column, *words.stride(), WIDE=x.wide,
        MOVES=moves is not None,
    )  # fmt: skip
    return log_prob, entropy, best, peak, log_sum


def policy_terms_backward(
    log_prob_gradient: Tensor | None, entropy_gradient: Tensor | None, logits: Tensor, words: Tensor,
    moves: Tensor | None, peak: Tensor, log_sum: Tensor, entropy: Tensor,
) -> Tensor:  # fmt: skip
    """Launch the backward. An absent gradient's pointer is never read."""
    count, size = logits.shape
    out = torch.empty((count, size), dtype=logits.dtype, device=logits.device)
    tile = tile_for(size, logits.dtype)
    x, o = operand(logits, tile), operand(out, tile)
    gl = peak if log_prob_gradient is None else log_prob_gradient
    gh = peak if entropy_gradient is None else entropy_gradient
    launch(
        terms_backward_kernel, tile, logits.dtype, gl, gh, logits, words,
        peak if moves is None else moves.contiguous(), peak, log_sum, entropy, out, count, size, gl.stride(0),
        gh.stride(0), x.row, x.column, *words.stride(), o.row, WIDE=x.wide, WIDE_OUT=o.wide,
        MOVES=moves is not None and log_prob_gradient is not None, ENTROPY=entropy_gradient is not None,
    )  # fmt: skip
    return out
