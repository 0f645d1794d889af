"""masked_log_softmax: log-probabilities over the legal entries of a row, and a chosen fill elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kernels.arguments import output_dtype, row_dtype
from kernels.backend import resolve_backend
from kernels.masked_softmax import entrywise_arguments
from kernels.registration import below_autograd, differentiable, once_differentiable, register


def masked_log_softmax(
    logits: Tensor, *, legal: Tensor, fill: float = -torch.inf, causal: bool = False, backend: str = "auto"
) -> Tensor:
    """Return x - log(sum of exp(x)) over the legal entries, and `fill` at the others.

    Arguments, result, errors and undefined rows are those of `masked_softmax`. A row without a legal entry is `fill`
    throughout, so that its exponential is zero with the default fill. The gradient of an illegal entry is 0. The
    backward starts from the logits, so that it is as exact for half types as their own rounding allows; PyTorch's
    starts from the rounded result.
    """
    rows, words, period = entrywise_arguments(logits, legal, causal, backend)
    backend = resolve_backend(backend, logits.device)
    result: Tensor
    result, _, _ = _apply(rows, words, period, float(fill), output_dtype(logits), backend)
    return result if result.shape == logits.shape else result.view(logits.shape)


def _like_results(
    logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    peak = logits.new_empty(logits.shape[0], dtype=row_dtype(logits.dtype))
    return logits.new_empty(logits.shape, dtype=dtype), peak, torch.empty_like(peak)


_forward = register(
    "masked_log_softmax",
    "(Tensor logits, Tensor words, int period, float fill, ScalarType dtype, str backend) -> (Tensor, Tensor, Tensor)",
    "softmax",
    _like_results,
)
_backward = register(
    "masked_log_softmax_backward",
    "(Tensor gradient, Tensor logits, Tensor words, Tensor peak, Tensor log_sum, int period, str backend) -> Tensor",
    "softmax",
    lambda gradient, logits, *rest: logits.new_empty(logits.shape),
)


class _MaskedLogSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype, backend: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        log_probability, peak, log_sum = below_autograd(_forward, logits, words, period, fill, dtype, backend)
        ctx.save_for_backward(logits, words, peak, log_sum)
        ctx.rest = period, backend
        ctx.mark_non_differentiable(peak, log_sum)
        ctx.set_materialize_grads(False)
        return log_probability, peak, log_sum

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, *rest: Tensor | None
    ) -> tuple[Tensor | None, None, None, None, None, None]:
        if gradient is None:
            return None, None, None, None, None, None
        return below_autograd(_backward, gradient, *ctx.saved_tensors, *ctx.rest), None, None, None, None, None


_apply = differentiable(_forward, _MaskedLogSoftmax)
