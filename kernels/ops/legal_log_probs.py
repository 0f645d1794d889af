"""legal_log_probs: log-probabilities of the legal entries alone, packed to the left with their columns."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.on_torch import softmax
from kernels.ops.arguments import per_row, row_dtype, whole
from kernels.ops.legality import legal_words
from kernels.ops.registration import differentiable, register


class LegalLogProbs(NamedTuple):
    """Results of `legal_log_probs`; K = `width`."""

    log_probs: Tensor  # [B, K] float32 (float64 for float64 logits), columns ascending; -inf past the legal entries
    indices: Tensor  # [B, K] int32; -1 past the legal entries
    counts: Tensor  # [B] int32: legal entries of the row; above K, the rest was left out


def legal_log_probs(logits: Tensor, *, legal: Tensor, width: int, backend: str = "auto") -> LegalLogProbs:
    """Return the log-probabilities of the first `width` legal entries of each row.

    An inference server sends these few numbers instead of a whole row. logits: `[B, N]`, any float dtype and strides.
    legal: as for `masked_softmax`. Normalised over all legal entries, also when they are more than `width`.
    Differentiable once through `log_probs`. Undefined rows are NaN. Raises TypeError or ValueError for arguments that
    do not fit.
    """
    words, backend = legal_words(legal, logits, backend)
    width = whole(width, "width")
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    return LegalLogProbs(*_apply(logits, words, width, backend)[:3])


def _fake(logits: Tensor, words: Tensor, width: int, backend: str) -> tuple[Tensor, ...]:
    shape = logits.shape[0], width
    values, indices = logits.new_empty(shape, dtype=row_dtype(logits.dtype)), logits.new_empty(shape, dtype=torch.int32)
    return values, indices, logits.new_empty(shape[0], dtype=torch.int32), *per_row(logits, 2)


def _tangent(tangent: Tensor, indices: Tensor, *kept: Any) -> tuple[Tensor]:
    logits, words, peak, log_sum, _backend = kept
    (dense,) = softmax.masked_log_softmax_tangent(tangent, logits, words, peak, log_sum, 0)
    return (dense.gather(1, indices.clamp(min=0).to(torch.int64)).masked_fill(indices < 0, 0.0),)


_apply = differentiable(
    register(softmax.legal_log_probs, _fake),
    register(softmax.legal_log_probs_backward),
    lambda logits, words, width, backend, _, indices, __, *saved: ((indices, logits, words, *saved), (backend,)),
    _tangent,
)
