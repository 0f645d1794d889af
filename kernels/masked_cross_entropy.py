"""masked_cross_entropy: per-row cross-entropy over the legal entries, with index, dense or ragged targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.arguments import (
    FLOATS,
    INTEGERS,
    check_fraction,
    check_logits,
    check_not_negative,
    check_row_indices,
    row_dtype,
)
from kernels.backend import resolve_backend
from kernels.legality import legal_words
from kernels.registration import below_autograd, differentiable, once_differentiable, register


class RaggedTargets(NamedTuple):
    """Target distributions that store only their nonzero entries, as a replay keeps search results.

    Row b's target puts `probabilities[offsets[b]:offsets[b + 1]]` on the columns `indices[...]`, distinct in a row.
    """

    offsets: Tensor  # int64 [B + 1], ascending
    indices: Tensor  # any integer dtype, uint16 included, [E]
    probabilities: Tensor  # any float dtype [E]


def masked_cross_entropy(
    logits: Tensor,
    targets: Tensor | RaggedTargets,
    *,
    legal: Tensor,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    backend: str = "auto",
) -> Tensor:
    """Return the cross-entropy of each row: float32 `[B]` (float64 for float64 logits).

    logits: `[B, N]`, any float dtype and strides. targets: integers `[B]`, or a distribution a row: floats `[B, N]`, or
    `RaggedTargets`. legal: as for `masked_softmax`. `label_smoothing` eps mixes the target with the uniform
    distribution over the legal entries; `z_loss` z adds z (log sum exp)^2. Differentiable once with respect to the
    logits.

    A target on an illegal entry, or out of range, costs +inf and sends no gradient; `row_status` names such rows
    without a host synchronisation. A row without a legal entry costs 0. Undefined rows are NaN. Raises TypeError or
    ValueError for arguments that do not fit, and for targets that require grad.
    """
    check_logits(logits)
    smoothing = check_fraction(label_smoothing, "label_smoothing")
    z = check_not_negative(z_loss, "z_loss")
    words = legal_words(legal, logits, backend)
    backend = resolve_backend(backend, logits.device)
    if isinstance(targets, RaggedTargets):
        ragged = _check_ragged(targets, logits)
        result: Tensor = _apply_ragged(logits, words, *ragged, smoothing, z, backend)[0]
    elif isinstance(targets, Tensor) and targets.dtype in INTEGERS:
        indices = check_row_indices(targets, logits, "targets")
        result = _apply_index(logits, words, indices, smoothing, z, backend)[0]
    else:
        result = _apply_soft(logits, words, _check_soft(targets, logits), smoothing, z, backend)[0]
    return result


def _check_soft(targets: Tensor, logits: Tensor) -> Tensor:
    check_logits(targets, "targets")
    if targets.shape != logits.shape or targets.device != logits.device:
        raise ValueError(
            f"targets must have shape {tuple(logits.shape)} on {logits.device}, got {tuple(targets.shape)} on "
            f"{targets.device}"
        )
    if targets.requires_grad:
        raise ValueError("targets must not require grad: masked_cross_entropy differentiates the logits alone")
    return targets


def _check_ragged(targets: RaggedTargets, logits: Tensor) -> RaggedTargets:
    offsets, indices, probabilities = targets
    if offsets.dtype != torch.int64 or offsets.shape != (logits.shape[0] + 1,):
        raise ValueError(
            f"offsets must be int64 of shape {(logits.shape[0] + 1,)}, got {offsets.dtype} {tuple(offsets.shape)}"
        )
    if indices.dtype not in (*INTEGERS, torch.uint16) or probabilities.dtype not in FLOATS:
        raise TypeError(
            f"indices must be integers and probabilities floats, got {indices.dtype}, {probabilities.dtype}"
        )
    if indices.dim() != 1 or indices.shape != probabilities.shape:
        raise ValueError(
            f"indices and probabilities must share one dimension, got {tuple(indices.shape)} and "
            f"{tuple(probabilities.shape)}"
        )
    if probabilities.requires_grad:
        raise ValueError("targets must not require grad: masked_cross_entropy differentiates the logits alone")
    if logits.device.type == "cpu":  # where the loops take float32; on a GPU the kernel converts as it reads
        probabilities = probabilities.to(row_dtype(logits.dtype))
    return RaggedTargets(offsets.contiguous(), indices.contiguous(), probabilities.contiguous())


def _fake_index(logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    value = logits.new_empty(logits.shape[0], dtype=row_dtype(logits.dtype))
    return value, torch.empty_like(value), torch.empty_like(value)


def _fake_soft(logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return *_fake_index(logits), logits.new_empty(logits.shape[0], dtype=torch.bool)


def _fake_backward(gradient: Tensor, logits: Tensor, *rest: Any) -> Tensor:
    return logits.new_empty(logits.shape)


_RAGGED = "Tensor offsets, Tensor indices, Tensor probabilities"
_OPTIONS = "float smoothing, float z_loss"
_index = register(
    "cross_entropy",
    f"(Tensor logits, Tensor words, Tensor targets, {_OPTIONS}, str backend) -> (Tensor, Tensor, Tensor)",
    "cross_entropy",
    _fake_index,
)
_index_backward = register(
    "cross_entropy_backward",
    f"(Tensor gradient, Tensor logits, Tensor words, Tensor targets, {_OPTIONS}, Tensor peak, Tensor log_sum, "
    "str backend) -> Tensor",
    "cross_entropy",
    _fake_backward,
)
_soft = register(
    "soft_cross_entropy",
    f"(Tensor logits, Tensor words, Tensor targets, {_OPTIONS}, str backend) -> (Tensor, Tensor, Tensor, Tensor)",
    "cross_entropy",
    _fake_soft,
)
_soft_backward = register(
    "soft_cross_entropy_backward",
    f"(Tensor gradient, Tensor logits, Tensor words, Tensor targets, {_OPTIONS}, Tensor peak, Tensor log_sum, "
    "Tensor known, str backend) -> Tensor",
    "cross_entropy",
    _fake_backward,
)
_ragged = register(
    "ragged_cross_entropy",
    f"(Tensor logits, Tensor words, {_RAGGED}, {_OPTIONS}, str backend) -> (Tensor, Tensor, Tensor, Tensor)",
    "cross_entropy",
    _fake_soft,
)
_ragged_backward = register(
    "ragged_cross_entropy_backward",
    f"(Tensor gradient, Tensor logits, Tensor words, {_RAGGED}, {_OPTIONS}, Tensor peak, Tensor log_sum, "
    "Tensor known, str backend) -> Tensor",
    "cross_entropy",
    _fake_backward,
)


class _CrossEntropy(torch.autograd.Function):
    """Shared by the three kinds of targets: (logits, words, target tensors ..., smoothing, z, backend)."""

    operator: Any
    operator_backward: Any

    @classmethod
    def run(cls, ctx: Any, *arguments: Any) -> Any:
        results = below_autograd(cls.operator, *arguments)
        *tensors, smoothing, z_loss, backend = arguments
        ctx.save_for_backward(*tensors, *results[1:])
        ctx.tensors, ctx.rest = len(tensors), (smoothing, z_loss, backend)
        ctx.mark_non_differentiable(*results[1:])
        return results

    @classmethod
    def derive(cls, ctx: Any, gradient: Tensor) -> Any:
        tensors, statistics = ctx.saved_tensors[: ctx.tensors], ctx.saved_tensors[ctx.tensors :]
        smoothing, z_loss, backend = ctx.rest
        result = below_autograd(cls.operator_backward, gradient, *tensors, smoothing, z_loss, *statistics, backend)
        return result, *(None for _ in range(len(tensors) + 2))


class _Index(_CrossEntropy):
    operator, operator_backward = _index, _index_backward

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        return _Index.run(ctx, *arguments)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *rest: Any) -> Any:
        return _Index.derive(ctx, gradient)


class _Soft(_CrossEntropy):
    operator, operator_backward = _soft, _soft_backward

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        return _Soft.run(ctx, *arguments)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *rest: Any) -> Any:
        return _Soft.derive(ctx, gradient)


class _Ragged(_CrossEntropy):
    operator, operator_backward = _ragged, _ragged_backward

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        return _Ragged.run(ctx, *arguments)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *rest: Any) -> Any:
        return _Ragged.derive(ctx, gradient)


_apply_index = differentiable(_index, _Index)
_apply_soft = differentiable(_soft, _Soft)
_apply_ragged = differentiable(_ragged, _Ragged)
