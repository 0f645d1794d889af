"""Checks of callers' arguments, shared by the public ops: one clear sentence that quotes the offending value."""

import operator
from typing import SupportsIndex

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8)


def check_logits(logits: Tensor, name: str = "logits", dims: int | None = 2) -> None:
    """Require a floating tensor `[B, N]` (or `[..., N]` with `dims=None`)."""
    check_tensor(logits, name)
    if logits.dtype not in FLOATS:
        raise TypeError(f"{name} must be float32, bfloat16, float16 or float64, got {logits.dtype}")
    shape = logits.shape
    if not shape or (dims is not None and len(shape) != dims):
        raise ValueError(f"{name} must have shape {'[B, N]' if dims else '[..., N]'}, got {tuple(shape)}")
    if shape[-1] == 0:
        raise ValueError(f"{name} must have at least one column, got shape {tuple(shape)}")


def check_tensor(tensor: Tensor, name: str, logits: Tensor | None = None) -> None:
    """Require a dense tensor, on the device of `logits` if they are given."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
    if tensor.layout != torch.strided or tensor.is_nested:
        kind = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        raise TypeError(f"{name} must be a dense tensor, got a {kind} one")
    if logits is not None and tensor.device != logits.device:
        raise ValueError(f"{name} is on {tensor.device} but logits are on {logits.device}")


def check_row_indices(indices: Tensor, logits: Tensor, name: str) -> Tensor:
    """Require one integer a row of `logits`; return it as int64 `[B]`."""
    check_tensor(indices, name, logits)
    if indices.dtype not in INTEGERS:
        raise TypeError(f"{name} must hold integers, got {indices.dtype}")
    if indices.shape != logits.shape[:1]:
        raise ValueError(f"{name} must have shape {tuple(logits.shape[:1])}, got {tuple(indices.shape)}")
    return indices.to(torch.int64)


def whole(value: SupportsIndex, name: str) -> int:
    """Return an integer of any kind, NumPy's and a tensor's included, as an int."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def row_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of per-row results: float64 stays, everything else accumulates in float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def per_row(matrix: Tensor, count: int) -> list[Tensor]:
    """Return `count` uninitialised tensors `[R]` for results of the rows of `matrix`, see `row_dtype`."""
    return [matrix.new_empty(matrix.shape[0], dtype=row_dtype(matrix.dtype)) for _ in range(count)]


def output_dtype(logits: Tensor) -> torch.dtype:
    """Return the dtype of entrywise results: that of the logits, or float32 under autocast, as PyTorch's softmax does.
    The kernel writes float32 from half-precision logits directly, so autocast costs no extra pass."""
    if not torch._C._is_any_autocast_enabled():
        return logits.dtype
    kind = logits.device.type
    if logits.dtype != torch.float64 and kind != "meta" and torch.is_autocast_enabled(kind):
        return torch.float32
    return logits.dtype
