"""masked_sample: draw one legal move a row, with its log-probability and the entropy of what it was drawn from."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.on_torch import terms
from kernels.ops.arguments import check_row_indices, per_row, whole
from kernels.ops.legality import legal_words
from kernels.ops.registration import register


class Sample(NamedTuple):
    """Results of `masked_sample`, each `[B]`."""

    moves: Tensor  # int64; -1 where nothing can be drawn
    log_prob: Tensor  # float32 (float64 for float64 logits)
    entropy: Tensor  # likewise


def masked_sample(
    logits: Tensor, *, legal: Tensor, seed: int, row_keys: Tensor, temperature: float = 1.0, backend: str = "auto"
) -> Sample:
    """Draw a move a row from softmax(logits / temperature) over the legal entries.

    logits: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. row_keys: integers `[B]`. The noise
    of a row depends on `seed` and its key alone, so its sample is the same in any batch, after a resume, and on another
    device of the same backend; give every draw its own key. `log_prob` and `entropy` are those of the distribution
    drawn from, temperature included. Gumbel-max (Maddison et al., "A* sampling", 2014) over legal entries only: an
    illegal index cannot come out. No gradient.

    A row without a legal entry gives -1, 0, 0; an undefined row gives -1, NaN, NaN. Raises TypeError or ValueError for
    arguments that do not fit.
    """
    words, backend = legal_words(legal, logits, backend)
    keys = check_row_indices(row_keys, logits, "row_keys")
    if not 0.0 < temperature < math.inf:
        raise ValueError(f"temperature must be finite and above 0, got {temperature}")
    # The low 64 bits as an int64, the form an op's schema can carry.
    low = ((whole(seed, "seed") & (2**64 - 1)) ^ 2**63) - 2**63
    return Sample(*_sample(logits.detach(), words, low, keys, float(temperature), backend))


_sample = register(
    terms.masked_sample,
    lambda logits, *rest: (logits.new_empty(logits.shape[0], dtype=torch.int64), *per_row(logits, 2)),
)
