"""masked_cross_entropy: per-row cross-entropy over the legal entries, with index, dense or ragged targets."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kernels.on_torch import cross_entropy
from kernels.ops.arguments import FLOATS, INTEGERS, check_logits, check_row_indices, per_row, row_dtype
from kernels.ops.legality import legal_words
from kernels.ops.registration import differentiable, register


class RaggedTargets(NamedTuple):
    """Target distributions that store only their nonzero entries, as a replay buffer keeps search results. Row b's
    target puts `probabilities[offsets[b]:offsets[b + 1]]` on the columns `indices[...]`, distinct in a row."""

    offsets: Tensor  # int64 [B + 1], ascending
    indices: Tensor  # any integer dtype, uint16 included, [E]
    probabilities: Tensor  # any float dtype [E]


def masked_cross_entropy(
    logits: Tensor, targets: Tensor | RaggedTargets, *, legal: Tensor, backend: str = "auto"
) -> Tensor:
    """Return the cross-entropy of each row: float32 `[B]` (float64 for float64 logits).

    logits: `[B, N]`, any float dtype and strides. targets: integers `[B]`, or a distribution a row: floats `[B, N]`, or
    `RaggedTargets`. legal: as for `masked_softmax`. Differentiable once with respect to the logits.

    A target on an illegal entry, or out of range, costs +inf and sends no gradient. A row without a legal entry costs
    0. Undefined rows are NaN. Raises TypeError or ValueError for arguments that do not fit, and for targets that
    require grad."""
    words, backend = legal_words(legal, logits, backend)
    # One tensor, indices [B] or probabilities [B, N], or the three of ragged ones.
    if isinstance(targets, RaggedTargets):
        form = _check_ragged(targets, logits)
    elif isinstance(targets, Tensor) and targets.dtype in INTEGERS:
        form = [check_row_indices(targets, logits, "targets")]
    else:
        check_logits(targets, "targets")
        if targets.shape != logits.shape or targets.device != logits.device:
            found = f"got {tuple(targets.shape)} on {targets.device}"
            raise ValueError(f"targets must have shape {tuple(logits.shape)} on {logits.device}, {found}")
        _refuse_gradient(targets)
        form = [targets]
    loss: Tensor = _apply(logits, words, form, backend)[0]
    return loss


def _check_ragged(targets: RaggedTargets, logits: Tensor) -> list[Tensor]:
    offsets, indices, masses = targets
    shape = (logits.shape[0] + 1,)
    if offsets.dtype != torch.int64 or offsets.shape != shape:
        raise ValueError(f"offsets must be int64 of shape {shape}, got {offsets.dtype} {tuple(offsets.shape)}")
    if indices.dtype not in (*INTEGERS, torch.uint16) or masses.dtype not in FLOATS:
        raise TypeError(f"indices must be integers and probabilities floats, got {indices.dtype}, {masses.dtype}")
    if indices.dim() != 1 or indices.shape != masses.shape:
        shapes = f"{tuple(indices.shape)} and {tuple(masses.shape)}"
        raise ValueError(f"indices and probabilities must share one dimension, got {shapes}")
    _refuse_gradient(masses)
    if logits.device.type == "cpu":  # where the loops take float32; on a GPU the kernel converts as it reads
        masses = masses.to(row_dtype(logits.dtype))
    return [indices.contiguous(), offsets.contiguous(), masses.contiguous()]


def _refuse_gradient(targets: Tensor) -> None:
    tangent = forward_ad.unpack_dual(targets).tangent  # type: ignore[no-untyped-call]
    if targets.requires_grad or tangent is not None:
        raise ValueError("targets must not require grad: masked_cross_entropy differentiates the logits alone")


_backward = register(cross_entropy.cross_entropy_backward)


def _differentiate(gradient: Tensor, logits: Tensor, words: Tensor, *kept: Any) -> Tensor:
    if torch._C._functorch.is_legacy_batchedtensor(gradient):  # by `is_grads_batched`, which cannot map lists
        slope = _differentiate(torch.ones_like(kept[-3]), logits, words, *kept)
        return torch.where(slope == 0, 0.0, gradient[:, None] * slope).to(logits.dtype)
    *targets, peak, log_sum, known, backend = kept
    result: Tensor = _backward(gradient, logits, words, targets, [peak, log_sum, known], backend)
    return result


_apply = differentiable(
    register(
        cross_entropy.cross_entropy,
        lambda logits, *rest: (*per_row(logits, 3), logits.new_empty(logits.shape[0], dtype=torch.bool)),
    ),
    _differentiate,
    lambda logits, words, targets, *rest: ((logits, words, *targets, *rest[2:]), rest[:1]),
)
