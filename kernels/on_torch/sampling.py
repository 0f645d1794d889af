"""Gumbel-max sampling in PyTorch operators, with the same Philox noise as the Triton and Numba paths.

Noise of a column is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): key = seed,
counter = (column // 4, row key, 0), output number column % 4. It depends on nothing else, so neither the batch a
row sits in nor a resume changes its sample.
"""

import torch
from torch import Tensor

from kernels.on_torch.rows import rows
from kernels.on_torch.terms import entropy

LOW = 0xFFFFFFFF


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
    """32 random bits -> float32 Gumbel noise, finite for every pattern of bits.

    u = (bits + 1/2) 2^-32, kept at most 1 - 2^-24: the open interval, so no noise is infinite. E = -log(1 - u) keeps
    full resolution where E is small, which is where winners come from; below 2^-5 its series does, to 2e-8 relative.
    """
    u = ((bits.to(torch.float32) + 0.5) * 2.0**-32).clamp(max=1 - 2.0**-24)
    series = u * (1 + u * (0.5 + u * (1 / 3 + u * (0.25 + u * 0.2))))
    return -torch.where(u < 2.0**-5, series, -torch.log(1 - u)).log()
