"""Gumbel-max sampling by the loops: noise is drawn for legal entries alone."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import array, row_values
from kernels.on_numba.threads import in_parts


def masked_sample(
    logits: Tensor, words: Tensor, seed: int, row_keys: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """[R, N] -> moves int64, log_prob, entropy, `[R]` each."""
    log_prob, entropy = row_values(logits, 2)
    moves = torch.empty(logits.shape[0], dtype=torch.int64)
    in_parts(
        loops.sample, logits,
        array(logits), array(words), seed, array(row_keys), temperature, moves.numpy(), log_prob.numpy(),
        entropy.numpy(),
    )  # fmt: skip
    return moves, log_prob, entropy


def gumbel_top_k(logits: Tensor, words: Tensor, k: int, seed: int, row_keys: Tensor) -> tuple[Tensor, Tensor]:
    """[R, N] -> indices int64 `[R, k]` and scores `[R, k]`."""
    indices = torch.empty((logits.shape[0], k), dtype=torch.int64)
    scores = torch.empty((logits.shape[0], k), dtype=torch.float32)
    in_parts(loops.top_k, logits, array(logits), array(words), seed, array(row_keys), indices.numpy(), scores.numpy())
    return indices, scores
