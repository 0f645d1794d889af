"""Log-probability of one move a row, entropy and most probable move, with their common backward."""

import torch
from torch import Tensor

from kernels.on_torch.legality import legal_mask
from kernels.on_torch.rows import Rows, log_probabilities, rows, weighted


def policy_terms(logits: Tensor, words: Tensor, moves: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> log_prob, entropy, best (int64, -1 if none), peak, log_sum, all `[R]`.

    log_prob is -inf for a move that is illegal or out of range, 0 in an empty row; without moves it is 0.
    """
    row = rows(logits, words)
    log_prob = torch.zeros_like(row.peak)
    if moves is not None:
        taken, known = one_hot(moves, row.legal)
        picked = row.shifted.gather(1, taken.to(torch.uint8).argmax(1, keepdim=True)).squeeze(1)
        log_prob = torch.where(known, picked - row.log_sum, -torch.inf).masked_fill(row.empty, 0.0)
    best = row.shifted.argmax(1).masked_fill(row.empty | row.peak.isnan(), -1)  # the lowest column of equals
    return log_prob, entropy(row), best, row.peak, row.log_sum


def policy_terms_backward(
    log_prob_gradient: Tensor | None, entropy_gradient: Tensor | None, logits: Tensor, words: Tensor,
    moves: Tensor | None, peak: Tensor, log_sum: Tensor, row_entropy: Tensor,
) -> Tensor:  # fmt: skip
    """dx = g_logp (1[move] - p) - g_H p (log p + H); zero in a row whose move is illegal, as far as g_logp goes."""
    legal = legal_mask(words, logits.shape[1])
    log_p = log_probabilities(logits, legal, peak, log_sum)
    p = log_p.exp()
    result = torch.zeros_like(p)
    if log_prob_gradient is not None and moves is not None:
        taken, known = one_hot(moves, legal)
        result += torch.where(known, log_prob_gradient, 0.0)[:, None] * (taken.to(p.dtype) - p)
    if entropy_gradient is not None:
        result -= entropy_gradient[:, None] * (weighted(p, log_p) + p * row_entropy[:, None])
    return result.masked_fill(~legal, 0.0).to(logits.dtype)


def entropy(row: Rows) -> Tensor:
    """H = log(sum) - sum e (x - peak) / sum = -sum p log p over legal entries; NaN in an undefined row."""
    log_p = (row.shifted - row.log_sum[:, None]).masked_fill(~row.legal, -torch.inf)
    return weighted(log_p.exp(), log_p).sum(1).neg().masked_fill(row.empty, 0.0)


def one_hot(indices: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
    """Return bool `[R, N]`, True at a row's index where that is legal, and bool `[R]`, whether it is."""
    columns = torch.arange(legal.shape[1], dtype=torch.int64, device=legal.device)
    taken = (columns == indices[:, None]) & legal
    return taken, taken.any(1)
