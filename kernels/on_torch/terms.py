"""Log-probability of a move, entropy and most probable move with their common backward; and Gumbel-max sampling.

The noise of a column is the same on all paths: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", 2011), key = seed, counter = (column // 4, row key, 0), output number column % 4. It depends on nothing else, so
neither the batch a row sits in nor a resume changes its sample."""

import torch
from torch import Tensor

from kernels.on_torch.legality import Rows, legal_mask, log_probabilities, rows, weighted

LOW = 0xFFFFFFFF


def policy_terms(logits: Tensor, words: Tensor, moves: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> log_prob, entropy, best (int64, -1 if none), peak, log_sum, all `[R]`. log_prob is -inf for a move that
    is illegal or out of range, 0 in an empty row; without moves it is 0."""
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


def masked_sample(
    logits: Tensor, words: Tensor, seed: int, row_keys: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """[R, N] -> moves int64, log_prob, entropy, `[R]` each, of softmax(logits / temperature) over legal entries."""
    row = rows(logits, words, temperature=temperature)
    noisy = row.shifted + gumbel(seed, row_keys, logits.shape[1]).to(row.shifted.dtype)
    none = row.empty | row.peak.isnan()
    moves = noisy.masked_fill(~row.legal, -torch.inf).argmax(1)
    log_prob = row.shifted.gather(1, moves[:, None]).squeeze(1) - row.log_sum
    return moves.masked_fill(none, -1), log_prob.masked_fill(row.empty, 0.0), entropy(row)


def gumbel(seed: int, row_keys: Tensor, size: int) -> Tensor:
    """Return float32 `[R, size]` Gumbel noise."""
    groups = torch.arange((size + 3) // 4, dtype=torch.int64, device=row_keys.device)
    parts = philox(seed, groups[None, :], row_keys[:, None] & LOW, (row_keys[:, None] >> 32) & LOW, 0)
    return bits_to_gumbel(torch.stack(parts, 2).view(row_keys.shape[0], -1)[:, :size])


def philox(seed: int, c0: Tensor, c1: Tensor, c2: Tensor, c3: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32 of ten rounds on 32-bit values held in int64."""
    k0, k1 = seed & LOW, (seed >> 32) & LOW
    a, b, c = c0 + c1 * 0, c1 + c0 * 0, c2 + c0 * 0
    d = torch.full_like(a, c3)
    for _ in range(10):
        # An int64 product wraps, but its low and high halves are those of the unsigned one.
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = ((q >> 32) & LOW) ^ b ^ k0, q & LOW, ((p >> 32) & LOW) ^ d ^ k1, p & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    return a, b, c, d


def bits_to_gumbel(bits: Tensor) -> Tensor:
    """32 random bits -> float32 Gumbel noise, finite for every pattern of bits. u = (bits + 1/2) 2^-32, kept at most 1
    - 2^-24: the open interval, so no noise is infinite. E = -log(1 - u) keeps full resolution where E is small, which
    is where winners come from; below 2^-5 its series does, to 2e-8 relative."""
    u = ((bits.to(torch.float32) + 0.5) * 2.0**-32).clamp(max=1 - 2.0**-24)
    series = u * (1 + u * (0.5 + u * (1 / 3 + u * (0.25 + u * 0.2))))
    return -torch.where(u < 2.0**-5, series, -torch.log(1 - u)).log()
