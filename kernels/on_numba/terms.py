# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""Log-probability of one move a row, entropy and most probable move, with their common backward, by the loops."""

import numpy as np
import torch
from torch import Tensor

from kernels.compilation import njit
from kernels.on_numba.batch import NO_INDEX, in_parts, optional
from kernels.on_numba.rows import SLACK, entropy_of, find, gather, probabilities, statistics
from kernels.ops.arguments import per_row


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
