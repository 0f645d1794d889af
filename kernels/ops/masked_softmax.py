"""masked_softmax, masked_log_softmax, and legal_log_probs: those of the legal entries alone, packed to the left."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.on_torch import softmax
from kernels.ops.arguments import output_dtype, per_row, row_dtype, whole
from kernels.ops.legality import legal_words
from kernels.ops.registration import differentiable, register


def masked_softmax(logits: Tensor, *, legal: Tensor, causal: bool = False, backend: str = "auto") -> Tensor:
    """Return exp(x) / sum of exp(x) over the legal entries, computed from their own maximum.

    logits: float32, bfloat16, float16 or float64 `[..., N]`, any strides. legal: bool or uint8 `[..., N]` or int32
    words `[..., ceil(N / 32)]`, broadcast to the rows. With `causal`, row i of the last but one dimension keeps columns
    0..i as well. Returns the shape and dtype of `logits` (float32 under autocast); accumulates in float32, float64 for
    float64.

    An illegal entry gets probability 0 and gradient 0 whatever stands in its logit. A row without a legal entry is all
    zeros, with zero gradient. A row with a NaN or +inf among its legal logits, or only -inf there, is NaN at its legal
    entries. Differentiable once. Raises TypeError or ValueError for arguments that do not fit."""
    rows, words, period, backend = _rows(logits, legal, causal, backend)
    result: Tensor = _softmax(rows, words, period, output_dtype(logits), backend)
    return result if rows is logits else result.view(logits.shape)


def masked_log_softmax(
    logits: Tensor, *, legal: Tensor, fill: float = -torch.inf, causal: bool = False, backend: str = "auto"
) -> Tensor:
    """Return x - log(sum of exp(x)) over the legal entries, and `fill` at the others.

    Arguments, result, errors and undefined rows are those of `masked_softmax`. A row without a legal entry is `fill`
    throughout, so that its exponential is zero with the default fill. The gradient of an illegal entry is 0. The
    backward starts from the logits, so that it is as exact for half types as their own rounding allows; PyTorch's
    starts from the rounded result."""
    rows, words, period, backend = _rows(logits, legal, causal, backend)
    result: Tensor = _log_softmax(rows, words, period, float(fill), output_dtype(logits), backend)[0]
    return result if rows is logits else result.view(logits.shape)


def _rows(logits: Tensor, legal: Tensor, causal: bool, backend: str) -> tuple[Tensor, Tensor, int, str]:
    """Check and flatten: logits `[R, N]`, words `[R, W]`, the causal period (0 = not causal) and the backend."""
    words, backend = legal_words(legal, logits, backend, dims=None)
    if causal and logits.dim() < 2:
        raise ValueError(f"causal needs logits of shape [..., rows, N], got {tuple(logits.shape)}")
    rows = logits if logits.dim() == 2 else logits.reshape(-1, logits.shape[-1])
    return rows, words, logits.shape[-2] if causal else 0, backend


_softmax_backward = register(
    softmax.masked_softmax_backward,
    lambda gradient, probability, words, period, dtype, backend: gradient.new_empty(gradient.shape, dtype=dtype),
)
_softmax = differentiable(
    register(
        softmax.masked_softmax,
        lambda logits, words, period, dtype, backend: logits.new_empty(logits.shape, dtype=dtype),
    ),
    _softmax_backward,
    lambda logits, words, period, dtype, backend, p: ((p, words), (period, logits.dtype, backend)),
    # The matrix of derivatives, diag(p) - p p^T, is symmetric.
    lambda tangent, p, words, period, dtype, backend: (_softmax_backward(tangent, p, words, period, p.dtype, backend),),
)
_log_softmax = differentiable(
    register(
        softmax.masked_log_softmax,
        lambda logits, *rest: (logits.new_empty(logits.shape, dtype=rest[-2]), *per_row(logits, 2)),
    ),
    register(softmax.masked_log_softmax_backward),
    lambda logits, words, period, fill, dtype, backend, log_p, *saved: ((logits, words, *saved), (period, backend)),
    softmax.masked_log_softmax_tangent,
)


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
    do not fit."""
    words, backend = legal_words(legal, logits, backend)
    width = whole(width, "width")
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    return LegalLogProbs(*_legal_log_probs(logits, words, width, backend)[:3])


def _fake(logits: Tensor, words: Tensor, width: int, backend: str) -> tuple[Tensor, ...]:
    shape = logits.shape[0], width
    values, indices = logits.new_empty(shape, dtype=row_dtype(logits.dtype)), logits.new_empty(shape, dtype=torch.int32)
    return values, indices, logits.new_empty(shape[0], dtype=torch.int32), *per_row(logits, 2)


def _tangent(tangent: Tensor, indices: Tensor, *kept: Any) -> tuple[Tensor]:
    logits, words, peak, log_sum, _backend = kept
    (dense,) = softmax.masked_log_softmax_tangent(tangent, logits, words, peak, log_sum, 0)
    return (dense.gather(1, indices.clamp(min=0).to(torch.int64)).masked_fill(indices < 0, 0.0),)


_legal_log_probs = differentiable(
    register(softmax.legal_log_probs, _fake),
    register(softmax.legal_log_probs_backward),
    lambda logits, words, width, backend, _, indices, __, *saved: ((indices, logits, words, *saved), (backend,)),
    _tangent,
)
