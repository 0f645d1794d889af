"""What every op needs of a row: its legal entries, their peak and the sum of exponentials.

R rows, N columns. Illegal entries are replaced before any arithmetic, so nothing that stands there can spread.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from kernels.on_torch.legality import legal_mask


class Rows(NamedTuple):
    """Statistics of the legal entries of each row, in the accumulation dtype."""

    legal: Tensor  # bool [R, N]
    shifted: Tensor  # [R, N]: (logit - peak) / temperature; -inf where illegal, NaN throughout an undefined row
    peak: Tensor  # [R]: largest legal logit; 0 in an empty row, NaN in an undefined one
    log_sum: Tensor  # [R]: log of the sum of exp(shifted); 0 in an empty row
    empty: Tensor  # bool [R]: no legal entry


def rows(logits: Tensor, words: Tensor, period: int = 0, temperature: float = 1.0) -> Rows:
    """Compute the statistics of each row of logits `[R, N]`, its shifted logits divided by the temperature.

    A row is undefined when a legal logit is NaN or +inf, or when all of them are -inf: its results are NaN at the legal
    entries.
    """
    legal = legal_mask(words, logits.shape[1], period)
    exact = logits if logits.dtype == torch.float64 else logits.float()
    chosen = exact.masked_fill(~legal, -torch.inf)
    empty = ~legal.any(1)
    peak = chosen.amax(1)
    peak = torch.where(peak.isfinite(), peak, torch.nan).masked_fill(empty, 0.0)
    shifted = (chosen - peak[:, None]).masked_fill(~legal, -torch.inf)
    if temperature != 1.0:
        shifted = shifted / temperature
    log_sum = shifted.exp().sum(1).log().masked_fill(empty, 0.0)
    return Rows(legal, shifted, peak, log_sum, empty)


def log_probabilities(logits: Tensor, legal: Tensor, peak: Tensor, log_sum: Tensor) -> Tensor:
    """Return log p `[R, N]` from what the forward saved of each row; -inf at illegal entries."""
    return (logits.to(peak.dtype) - peak[:, None] - log_sum[:, None]).masked_fill(~legal, -torch.inf)


def weighted(probability: Tensor, value: Tensor) -> Tensor:
    """Return probability * value with 0 * -inf = 0, the limit of p log p."""
    return torch.where(probability == 0, 0.0, probability * value)
