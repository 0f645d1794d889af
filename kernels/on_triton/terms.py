# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Log-probability of a move, entropy and most probable move with their common backward; and Gumbel-max sampling."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import fresh, launch, operand, tile_for
from kernels.on_triton.tiles import (
    at,
    columns_of,
    entry_legal,
    legal_tile,
    program_rows,
    read,
    row_max,
    row_min,
    statistics,
    write,
)  # fmt: skip
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
        taken = tl.load(logits + rows * x_row * step + at(move, x_col), mask=known).to(ACC)
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
    g_logp."""
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
    given = best if moves is None else moves.contiguous()
    launch(
        terms_kernel, tile, logits.dtype, (logits, words, given, log_prob, entropy, best, peak, log_sum), count, size,
        x.row, x.column, *words.stride(), WIDE=x.wide, MOVES=moves is not None,
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
    x, o = operand(logits, tile), fresh(size, tile)
    gl = peak if log_prob_gradient is None else log_prob_gradient
    gh = peak if entropy_gradient is None else entropy_gradient
    given = peak if moves is None else moves.contiguous()
    launch(
        terms_backward_kernel, tile, logits.dtype, (gl, gh, logits, words, given, peak, log_sum, entropy, out),
        count, size, gl.stride(0), gh.stride(0), x.row, x.column, *words.stride(), o.row, WIDE=x.wide, WIDE_OUT=o.wide,
        MOVES=moves is not None and log_prob_gradient is not None, ENTROPY=entropy_gradient is not None,
    )  # fmt: skip
    return out


@triton.jit
def bits_to_gumbel(bits):
    """32 random bits -> Gumbel noise -log(-log(1 - u)), finite for every pattern. u = (bits + 1/2) 2^-32, at most 1 -
    2^-24, so neither logarithm meets 0. Winners have u near 0: below 2^-5 the series of -log(1 - u) keeps full relative
    precision, which log(1 - u) would lose."""
    u = tl.minimum((bits.to(tl.uint32).to(tl.float32) + 0.5) * 2.3283064365386963e-10, 0.9999999403953552)
    series = u * (1.0 + u * (0.5 + u * (0.3333333333333333 + u * (0.25 + u * 0.2))))
    return -tl.log(tl.where(u < 0.03125, series, -tl.log(1.0 - u)))


@triton.jit
def gumbel_tile(seed, keys, start, R: tl.constexpr, G: tl.constexpr, V: tl.constexpr):
    """Noise [R, G, V]: Philox4x32-10 with the seed as its key; counter (column // 4, row key, 0), output column % 4.
    Four columns share a counter, so that no output is thrown away."""
    quads: tl.constexpr = G * V // 4
    quad = (start // 4 + tl.arange(0, quads))[None, :].to(tl.uint32)
    low = (keys & 0xFFFFFFFF).to(tl.uint32)[:, None]
    high = ((keys >> 32) & 0xFFFFFFFF).to(tl.uint32)[:, None]
    nothing = tl.zeros([R, quads], tl.uint32)
    a, b, c, d = tl.philox(seed, nothing + quad, nothing + low, nothing + high, nothing)
    # [R, quads, 2, 2] in the order a, b, c, d
    return tl.reshape(bits_to_gumbel(tl.join(tl.join(a, c), tl.join(b, d))), [R, G, V])


@triton.jit(do_not_specialize=["seed"])
def sample_kernel(
    logits, words, keys, moves, log_prob, entropy,
    seed, temperature, count, size, x_row, x_col, w_row, w_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, HOT: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """1. Statistics at the temperature. 2. argmax of y + noise, y = (x - peak) / temperature, over legal lanes only."""
    rows, live = program_rows(count, R)
    row_peak, row_log_sum, empty, undefined, s, t, _count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, R, G, V, WIDE, ACC, 0, False, temperature, HOT
    )
    key = tl.load(keys + rows, mask=live, other=0)
    top = tl.full([R], float("-inf"), ACC)
    move = tl.full([R], -1, tl.int32)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        y = tl.where(legal & (x == x), x - tl.where(undefined, 0.0, row_peak)[:, None, None], float("-inf"))
        if HOT:
            y = y / temperature
        noisy = y + gumbel_tile(seed, key, start, R, G, V)
        high = row_max(noisy)
        columns = columns_of(start, G, V)
        place = row_min(tl.where(legal & (noisy == high[:, None, None]), columns, size))
        move = tl.where(high > top, place, move)
        top = tl.maximum(top, high)
    none = empty | undefined
    step = V if WIDE else 1
    drawn = (
        tl.load(logits + rows * x_row * step + at(move, x_col), mask=live & (none == 0), other=0.0).to(ACC) - row_peak
    )
    if HOT:
        drawn = drawn / temperature
    h = row_log_sum - t / tl.where(empty, 1.0, s)
    tl.store(moves + rows, tl.where(none, -1, move).to(tl.int64), mask=live)
    tl.store(log_prob + rows, tl.where(empty, 0.0, tl.where(undefined, float("nan"), drawn - row_log_sum)), mask=live)
    tl.store(entropy + rows, tl.where(empty, 0.0, tl.where(undefined, float("nan"), h)), mask=live)


def masked_sample(
    logits: Tensor, words: Tensor, seed: int, row_keys: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Launch over `[R, N]`."""
    count, size = logits.shape
    moves = torch.empty(count, dtype=torch.int64, device=logits.device)
    log_prob, entropy = per_row(logits, 2)
    tile = tile_for(size, logits.dtype)
    x = operand(logits, tile)
    launch(
        sample_kernel, tile, logits.dtype, (logits, words, row_keys.contiguous(), moves, log_prob, entropy), seed,
        temperature, count, size, x.row, x.column, *words.stride(), WIDE=x.wide, HOT=temperature != 1.0,
    )  # fmt: skip
    return moves, log_prob, entropy
