"""gumbel_top_k: k different legal moves a row, drawn without replacement, for the root of a search."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.arguments import check_logits, check_row_indices, row_dtype
from kernels.backend import resolve_backend
from kernels.legality import legal_words
from kernels.masked_sample import signed_seed
from kernels.registration import register


class TopK(NamedTuple):
    """Results of `gumbel_top_k`, each `[B, k]`, best first."""

    indices: Tensor  # int64; -1 past the legal entries
    scores: Tensor  # logit + Gumbel noise, float32 (float64 for float64 logits); -inf past the legal entries


def gumbel_top_k(logits: Tensor, *, legal: Tensor, k: int, seed: int, row_keys: Tensor, backend: str = "auto") -> TopK:
    """Return the k legal entries of each row with the largest logit + Gumbel noise.

    That is a draw of k entries without replacement (Kool et al., "Stochastic beams and where to find them", 2019), what
    the root of a Gumbel search needs (Danihelka et al., "Policy improvement by planning with Gumbel", 2022). The noise
    falls on legal entries only and is keyed as in `masked_sample`, on a stream of its own. logits: `[B, N]`. No
    gradient.

    An entry of probability 0 is never drawn. A row with fewer entries to draw is filled with -1 and -inf; an undefined
    row is -1 and NaN. Raises TypeError or ValueError for arguments that do not fit.
    """
    check_logits(logits)
    keys = check_row_indices(row_keys, logits, "row_keys")
    words = legal_words(legal, logits, backend)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    backend = resolve_backend(backend, logits.device)
    return TopK(*_top_k(logits.detach(), words, k, signed_seed(seed), keys, backend))


def _fake(logits: Tensor, words: Tensor, k: int, *rest: Any) -> tuple[Tensor, Tensor]:
    shape = (logits.shape[0], k)
    return logits.new_empty(shape, dtype=torch.int64), logits.new_empty(shape, dtype=row_dtype(logits.dtype))


_top_k = register(
    "gumbel_top_k",
    "(Tensor logits, Tensor words, int k, int seed, Tensor row_keys, str backend) -> (Tensor, Tensor)",
    "sampling",
    _fake,
)
