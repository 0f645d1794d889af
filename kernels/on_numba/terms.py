"""Log-probability of one move a row, entropy and most probable move, with their common backward, by the loops."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import NO_INDEX, array, empty, optional, row_values
from kernels.on_numba.threads import in_parts


def policy_terms(logits: Tensor, words: Tensor, moves: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> log_prob, entropy, best, peak, log_sum, all `[R]`."""
    log_prob, entropy, peak, log_sum = row_values(logits, 4)
    best = torch.empty(logits.shape[0], dtype=torch.int64)
    in_parts(
        loops.terms, logits,
        array(logits), array(words), optional(moves, NO_INDEX), log_prob.numpy(), entropy.numpy(), best.numpy(),
        peak.numpy(), log_sum.numpy(),
    )  # fmt: skip
    return log_prob, entropy, best, peak, log_sum


def policy_terms_backward(
    log_prob_gradient: Tensor | None,
    entropy_gradient: Tensor | None,
    logits: Tensor,
    words: Tensor,
    moves: Tensor | None,
    peak: Tensor,
    log_sum: Tensor,
    entropy: Tensor,
) -> Tensor:
    """[R, N] gradient of the logits."""
    out = empty(logits)
    in_parts(
        loops.terms_backward, logits,
        optional(log_prob_gradient), optional(entropy_gradient), array(logits), array(words),
        optional(moves, NO_INDEX), array(peak), array(log_sum), array(entropy), out.numpy(),
    )  # fmt: skip
    return out
