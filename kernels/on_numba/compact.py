# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""Log-probabilities of the legal entries alone, by the loops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.arguments import per_row
from kernels.compilation import njit
from kernels.on_numba.batch import array, in_parts
from kernels.on_numba.rows import SLACK, gather, statistics


@njit
def _compact_loop(first, last, logits, words, values, indices, counts, peaks, log_sums):
    """Log-probabilities of the legal entries, packed to the left."""
    size, width = logits.shape[1], values.shape[1]
    columns = np.empty(size + SLACK, np.int64)
    shifted, e = np.empty(size + SLACK), np.empty(size + SLACK)
    for row in range(first, last):
        values[row, :] = -np.inf
        indices[row, :] = -1
        n = gather(words, row, size, size - 1, columns)
        counts[row] = n
        peaks[row] = log_sums[row] = 0.0
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        peaks[row], log_sums[row] = peak, log_sum
        for i in range(min(n, width)):
            indices[row, i] = columns[i]
            values[row, i] = shifted[i] - log_sum if peak == peak else np.nan


def legal_log_probs(logits: Tensor, words: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """[R, N] -> values `[R, K]`, indices `[R, K]`, counts, peak and log_sum `[R]`."""
    rows = logits.shape[0]
    values = torch.empty((rows, width), dtype=torch.float32)
    indices = torch.empty((rows, width), dtype=torch.int32)
    counts = torch.empty(rows, dtype=torch.int32)
    peak, log_sum = per_row(logits, 2)
    in_parts(
        _compact_loop, logits,
        array(logits), array(words), values.numpy(), indices.numpy(), counts.numpy(), peak.numpy(), log_sum.numpy(),
    )  # fmt: skip
    return values, indices, counts, peak, log_sum
