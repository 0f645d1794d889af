# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Gumbel-max sampling: one launch gives move, log-probability and entropy."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import launch, operand, tile_for
from kernels.on_triton.tiles import columns_of, legal_tile, program_rows, read, row_max, row_min, statistics
from kernels.ops.arguments import per_row


@triton.jit
def bits_to_gumbel(bits):
    """32 random bits -> Gumbel noise -log(-log(1 - u)), finite for every pattern.

    u = (bits + 1/2) 2^-32, at most 1 - 2^-24, so neither logarithm meets 0. Winners have u near 0: below 2^-5 the
    series of -log(1 - u) keeps full relative precision, which log(1 - u) would lose.
    """
    u = tl.minimum((bits.to(tl.uint32).to(tl.float32) + 0.5) * 2.3283064365386963e-10, 0.9999999403953552)
    series = u * (1.0 + u * (0.5 + u * (0.3333333333333333 + u * (0.25 + u * 0.2))))
    return -tl.log(tl.where(u < 0.03125, series, -tl.log(1.0 - u)))


@triton.jit
def gumbel_tile(seed, keys, start, R: tl.constexpr, G: tl.constexpr, V: tl.constexpr):
    """Noise [R, G, V]: Philox4x32-10 with the seed as its key; counter (column // 4, row key, 0), output column % 4.

    Four columns share a counter, so that no output is thrown away.
    """
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
    drawn = tl.load(logits + rows * x_row * step + move * x_col, mask=live & (none == 0), other=0.0).to(ACC) - row_peak
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
        sample_kernel, tile, logits.dtype, logits, words, row_keys.contiguous(), moves, log_prob, entropy, seed,
        temperature, count, size, x.row, x.column, *words.stride(), WIDE=x.wide, HOT=temperature != 1.0,
    )  # fmt: skip
    return moves, log_prob, entropy
