# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""The terms of a policy with their backward, and Gumbel-max sampling, by the loops: no noise for illegal entries."""

import math

import numpy as np
import torch
from torch import Tensor

from kernels.compilation import inlined, njit
from kernels.on_numba.batch import NO_INDEX, in_parts, optional
from kernels.on_numba.rows import SLACK, entropy_of, find, gather, probabilities, statistics
from kernels.ops.arguments import per_row

MASK32 = np.uint64(0xFFFFFFFF)


@njit
def _terms_loop(first, last, logits, words, moves, log_prob, entropy, best, peaks, log_sums):
    """policy_terms: `moves` is empty where none are asked for."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        log_prob[row] = entropy[row] = peaks[row] = log_sums[row] = 0.0
        best[row] = -1
        n = gather(words, row, size, size - 1, columns)
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        peaks[row], log_sums[row] = peak, log_sum
        place = find(columns, n, moves[row]) if moves.shape[0] else -1
        if peak != peak:
            entropy[row] = np.nan
            log_prob[row] = np.nan
        else:
            entropy[row] = entropy_of(shifted, e, n, log_sum)
            for i in range(n):
                if shifted[i] == 0.0:
                    best[row] = columns[i]
                    break
            log_prob[row] = shifted[place] - log_sum
        if place < 0:
            log_prob[row] = -np.inf if moves.shape[0] else 0.0


@njit
def _terms_backward_loop(
    first, last, log_prob_gradient, entropy_gradient, logits, words, moves, peaks, log_sums, entropy, out
):
    """dx = g_logp (1[move] - p) - g_H p (log p + H); an empty gradient array stands for none."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    log_p, p = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, size - 1, columns)
        place = find(columns, n, moves[row]) if moves.shape[0] else -1
        gl = np.float64(log_prob_gradient[row]) if log_prob_gradient.shape[0] and place >= 0 else 0.0
        gh = np.float64(entropy_gradient[row]) if entropy_gradient.shape[0] else 0.0
        peak, log_sum, h = np.float64(peaks[row]), np.float64(log_sums[row]), np.float64(entropy[row])
        if peak != peak:
            for i in range(n):
                out[row, columns[i]] = np.nan
            continue
        probabilities(logits, row, columns, n, peak, log_sum, log_p, p)
        for i in range(n):
            value = -p[i] * (gl + gh * (log_p[i] + h)) if p[i] > 0.0 else 0.0
            out[row, columns[i]] = value
        if place >= 0:
            value = -p[place] * (gh * (log_p[place] + h)) if p[place] > 0.0 else 0.0
            out[row, columns[place]] = gl * (1.0 - p[place]) + value


def policy_terms(logits: Tensor, words: Tensor, moves: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> log_prob, entropy, best, peak, log_sum, all `[R]`."""
    log_prob, entropy, peak, log_sum = per_row(logits, 4)
    best = logits.new_empty(logits.shape[0], dtype=torch.int64)
    in_parts(_terms_loop, logits, logits, words, optional(moves, NO_INDEX), log_prob, entropy, best, peak, log_sum)
    return log_prob, entropy, best, peak, log_sum


def policy_terms_backward(
    log_prob_gradient: Tensor | None, entropy_gradient: Tensor | None, logits: Tensor, words: Tensor,
    moves: Tensor | None, peak: Tensor, log_sum: Tensor, entropy: Tensor,
) -> Tensor:  # fmt: skip
    """[R, N] gradient of the logits."""
    out = logits.new_empty(logits.shape)
    in_parts(
        _terms_backward_loop, logits, optional(log_prob_gradient), optional(entropy_gradient), logits, words,
        optional(moves, NO_INDEX), peak, log_sum, entropy, out,
    )  # fmt: skip
    return out


@inlined
def noise(seed, key, columns, n, out):
    """Gumbel noise of n columns: Philox4x32-10, key = seed, counter (column // 4, row key, 0), output column % 4. u =
    (bits + 1/2) 2^-32, at most 1 - 2^-24, is open at both ends, so that no noise is infinite."""
    quad = np.int64(-1)
    a = b = c = d = np.uint64(0)
    for i in range(n):
        if columns[i] // 4 != quad:
            quad = columns[i] // 4
            a, b = np.uint64(quad), np.uint64(key) & MASK32
            c, d = (np.uint64(key) >> np.uint64(32)) & MASK32, np.uint64(0)
            k0, k1 = np.uint64(seed) & MASK32, (np.uint64(seed) >> np.uint64(32)) & MASK32
            for _ in range(10):
                p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
                a, b, c, d = ((q >> np.uint64(32)) ^ b ^ k0, q & MASK32, (p >> np.uint64(32)) ^ d ^ k1, p & MASK32)
                k0 = (k0 + np.uint64(0x9E3779B9)) & MASK32
                k1 = (k1 + np.uint64(0xBB67AE85)) & MASK32
        lane = columns[i] % 4
        bits = a if lane == 0 else b if lane == 1 else c if lane == 2 else d
        u = min((np.float64(bits) + 0.5) * 2.0**-32, 1.0 - 2.0**-24)
        out[i] = -math.log(-math.log1p(-u))


@njit
def _sample_loop(first, last, logits, words, seed, keys, temperature, moves, log_prob, entropy):
    """argmax of y + noise over the legal entries, its log-probability, and the entropy at the temperature."""
    size = logits.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e, gumbel = np.empty(size + SLACK), np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        moves[row] = -1
        log_prob[row] = entropy[row] = 0.0
        n = gather(words, row, size, size - 1, columns)
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, temperature)
        if peak != peak:
            log_prob[row] = entropy[row] = np.nan
            continue
        noise(seed, keys[row], columns, n, gumbel)
        place, top = 0, -np.inf
        for i in range(n):
            if shifted[i] + gumbel[i] > top:
                place, top = i, shifted[i] + gumbel[i]
        moves[row] = columns[place]
        log_prob[row] = shifted[place] - log_sum
        entropy[row] = entropy_of(shifted, e, n, log_sum)


def masked_sample(
    logits: Tensor, words: Tensor, seed: int, row_keys: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """[R, N] -> moves int64, log_prob, entropy, `[R]` each."""
    log_prob, entropy = per_row(logits, 2)
    moves = logits.new_empty(logits.shape[0], dtype=torch.int64)
    in_parts(_sample_loop, logits, logits, words, seed, row_keys, temperature, moves, log_prob, entropy)
    return moves, log_prob, entropy
