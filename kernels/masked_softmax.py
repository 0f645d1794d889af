"""masked_softmax: probabilities over the legal entries of a row, and the literal zero elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kernels.arguments import check_logits, output_dtype
from kernels.backend import resolve_backend
from kernels.legality import legal_words
from kernels.registration import below_autograd, differentiable, once_differentiable, register


def masked_softmax(logits: Tensor, *, legal: Tensor, causal: bool = False, backend: str = "auto") -> Tensor:
    """Return exp(x) / sum of exp(x) over the legal entries, computed from their own maximum.

    logits: float32, bfloat16, float16 or float64 `[..., N]`, any strides. legal: bool or uint8 `[..., N]` or int32
    words `[..., ceil(N / 32)]`, broadcast to the rows. With `causal`, row i of the last but one dimension keeps columns
    0..i as well. Returns the shape and dtype of `logits` (float32 under autocast); accumulates in float32, float64 for
    float64.

    An illegal entry gets probability 0 and gradient 0 whatever stands in its logit. A row without a legal entry is all
    zeros, with zero gradient. A row with a NaN or +inf among its legal logits, or only -inf there, is NaN at its legal
    entries. Differentiable once. Raises TypeError or ValueError for arguments that do not fit.
    """
    rows, words, period = entrywise_arguments(logits, legal, causal, backend)
    result: Tensor = _apply(rows, words, period, output_dtype(logits), resolve_backend(backend, logits.device))
    return result if result.shape == logits.shape else result.view(logits.shape)


def entrywise_arguments(logits: Tensor, legal: Tensor, causal: bool, backend: str) -> tuple[Tensor, Tensor, int]:
    """Check and flatten: logits `[R, N]`, words `[R, W]`, and the causal period (0 = not causal)."""
    check_logits(logits, dims=None)
    if causal and logits.dim() < 2:
        raise ValueError(f"causal needs logits of shape [..., rows, N], got {tuple(logits.shape)}")
    words = legal_words(legal, logits, backend)
    period = logits.shape[-2] if causal else 0
    return (logits if logits.dim() == 2 else logits.reshape(-1, logits.shape[-1])), words, period


_forward = register(
    "masked_softmax",
    "(Tensor logits, Tensor words, int period, ScalarType dtype, str backend) -> Tensor",
    "softmax",
    lambda logits, words, period, dtype, backend: logits.new_empty(logits.shape, dtype=dtype),
)
_backward = register(
    "masked_softmax_backward",
    "(Tensor gradient, Tensor probability, Tensor words, int period, ScalarType dtype, str backend) -> Tensor",
    "softmax",
    lambda gradient, probability, words, period, dtype, backend: gradient.new_empty(gradient.shape, dtype=dtype),
)


class _MaskedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, words: Tensor, period: int, dtype: torch.dtype, backend: str) -> Tensor:
        probability: Tensor = below_autograd(_forward, logits, words, period, dtype, backend)
        ctx.save_for_backward(probability, words)
        ctx.rest = period, logits.dtype, backend
        return probability

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        probability, words = ctx.saved_tensors
        return below_autograd(_backward, gradient, probability, words, *ctx.rest), None, None, None, None


_apply = differentiable(_forward, _MaskedSoftmax)
