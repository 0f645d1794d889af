"""Log-probabilities of the legal entries alone, by the loops."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import array, row_values
from kernels.on_numba.threads import in_parts


def legal_log_probs(logits: Tensor, words: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> values `[R, K]`, indices `[R, K]`, counts, peak and log_sum `[R]`."""
    rows = logits.shape[0]
    values = torch.empty((rows, width), dtype=torch.float32)
    indices = torch.empty((rows, width), dtype=torch.int32)
    counts = torch.empty(rows, dtype=torch.int32)
    peak, log_sum = row_values(logits, 2)
    in_parts(
        loops.compact,
        logits,
        array(logits),
        array(words),
        values.numpy(),
        indices.numpy(),
        counts.numpy(),
        peak.numpy(),
        log_sum.numpy(),
    )
    return values, indices, counts, peak, log_sum
