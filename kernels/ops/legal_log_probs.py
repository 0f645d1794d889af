"""legal_log_probs: log-probabilities of the legal entries alone, packed to the left with their columns."""

from typing import NamedTuple

import torch
from torch import Tensor

from kernels.on_torch.softmax import masked_log_softmax_tangent
from kernels.ops.arguments import check_logits, per_row, row_dtype, whole
from kernels.ops.backend import resolve_backend
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
    check_logits(logits)
    words = legal_words(legal, logits, backend)
    width = whole(width, "width")
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    return LegalLogProbs(*_apply(logits, words, width, resolve_backend(backend, logits.device))[:3])


def _fake(logits: Tensor, words: Tensor, width: int, backend: str) -> tuple[Tensor, ...]:
    shape = logits.shape[0], width
    values, indices = logits.new_empty(shape, dtype=row_dtype(logits.dtype)), logits.new_empty(shape, dtype=torch.int32)
    return values, indices, logits.new_empty(shape[0], dtype=torch.int32), *per_row(logits, 2)


def _tangent(
    tangent: Tensor, indices: Tensor, logits: Tensor, words: Tensor, peak: Tensor, log_sum: Tensor, backend: str
) -> tuple[Tensor]:
    (dense,) = masked_log_softmax_tangent(tangent, logits, words, peak, log_sum, 0, backend)
    return (dense.gather(1, indices.clamp(min=0).to(torch.int64)).masked_fill(indices < 0, 0.0),)


_apply = differentiable(
    register(
        "legal_log_probs",
        "(Tensor logits, Tensor words, int width, str backend) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
        "softmax",
        _fake,
    ),
    register(
        "legal_log_probs_backward",
        "(Tensor gradient, Tensor indices, Tensor logits, Tensor words, Tensor peak, Tensor log_sum, str backend) "
        "-> Tensor",
        "softmax",
        lambda gradient, indices, logits, *rest: logits.new_empty(logits.shape),
    ),
    lambda logits, words, width, backend, values, indices, counts, *saved: (
        (indices, logits, words, *saved),
        (backend,),
    ),
    _tangent,
)
