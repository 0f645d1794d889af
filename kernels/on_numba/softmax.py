"""masked_softmax and masked_log_softmax, forward and backward, by the loops."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import array, empty
from kernels.on_numba.threads import in_parts


def masked_softmax(logits: Tensor, words: Tensor, period: int, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]."""
    out = empty(logits)
    in_parts(loops.softmax, logits, array(logits), array(words), period, False, 0.0, out.numpy())
    return out.to(dtype)


def masked_log_softmax(logits: Tensor, words: Tensor, period: int, fill: float, dtype: torch.dtype) -> Tensor:
    """[R, N] -> [R, N]."""
    out = empty(logits)
    in_parts(loops.softmax, logits, array(logits), array(words), period, True, fill, out.numpy())
    return out.to(dtype)


def masked_softmax_backward(
    gradient: Tensor, probability: Tensor, words: Tensor, period: int, dtype: torch.dtype
) -> Tensor:
    """[R, N] -> [R, N]."""
    out = empty(probability)
    in_parts(
        loops.softmax_backward,
        probability,
        array(gradient),
        array(probability),
        array(words),
        period,
        False,
        out.numpy(),
    )
    return out.to(dtype)


def masked_log_softmax_backward(
    gradient: Tensor, log_probability: Tensor, words: Tensor, period: int, dtype: torch.dtype
) -> Tensor:
    """[R, N] -> [R, N]."""
    out = empty(log_probability)
    in_parts(
        loops.softmax_backward,
        log_probability,
        array(gradient),
        array(log_probability),
        array(words),
        period,
        True,
        out.numpy(),
    )
    return out.to(dtype)
