"""masked_log_softmax: log-probabilities over the legal entries of a row, and a chosen fill elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kernels.arguments import output_dtype
from kernels.backend import resolve_backend
from kernels.masked_softmax import entrywise_arguments
from kernels.registration import below_autograd, differentiable, once_differentiable, register


def masked_log_softmax(
    logits: Tensor, *, legal: Tensor, fill: float = -torch.inf, causal: bool = False, backend: str = "auto"
) -> Tensor:
    """Return x - log(sum of exp(x)) over the legal entries, and `fill` at the others.

    Arguments, result, errors and undefined rows are those of `masked_softmax`. A row without a legal entry is `fill`
    throughout, so that its exponential is zero with the default fill. The gradient of an illegal entry is 0. As in
    PyTorch, the backward starts from the stored result, which a half type rounds: for a loss, `masked_cross_entropy` is
    exact.
    """
    rows, words, period = entrywise_arguments(logits, legal, causal, backend)
    backend = resolve_backend(backend, logits.device)
    result: Tensor = _apply(rows, words, period, float(fill), output_dtype(logits), backend)
    return result if result.shape == logits.shape else result.view(logits.shape)


def _like_first(logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype, backend: str) -> Tensor:
    return logits.new_empty(logits.shape, dtype=dtype)


def _like_gradient(
    gradient: Tensor, output: Tensor, words: Tensor, period: int, dtype: torch.dtype, backend: str
) -> Tensor:
    return gradient.new_empty(gradient.shape, dtype=dtype)


_forward = register(
    "masked_log_softmax",
    "(Tensor logits, Tensor words, int period, float fill, ScalarType dtype, str backend) -> Tensor",
    "softmax",
    _like_first,
)
_backward = register(
    "masked_log_softmax_backward",
    "(Tensor gradient, Tensor log_probability, Tensor words, int period, ScalarType dtype, str backend) -> Tensor",
    "softmax",
    _like_gradient,
)


class _MaskedLogSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype, backend: str
    ) -> Tensor:
        log_probability: Tensor = below_autograd(_forward, logits, words, period, fill, dtype, backend)
        ctx.save_for_backward(log_probability, words)
        ctx.rest = period, logits.dtype, backend
        return log_probability

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        log_probability, words = ctx.saved_tensors
        return below_autograd(_backward, gradient, log_probability, words, *ctx.rest), None, None, None, None, None


_apply = differentiable(_forward, _MaskedLogSoftmax)
