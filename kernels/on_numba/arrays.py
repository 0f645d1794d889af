"""Tensors as the arrays that the loops take: contiguous, so that each loop is compiled once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

NONE = np.zeros(0, dtype=np.float32)
NO_MATRIX = np.zeros((0, 0), dtype=np.float32)
NO_INDEX = np.zeros(0, dtype=np.int64)


def array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Return a contiguous array, without a copy where the tensor is contiguous already."""
    plain = tensor.detach() if tensor.requires_grad else tensor
    return plain.numpy() if plain.is_contiguous() else plain.contiguous().numpy()


def optional(tensor: Tensor | None, none: np.ndarray[Any, Any] = NONE) -> np.ndarray[Any, Any]:
    """Return the array of a tensor, or an empty one in its place."""
    return none if tensor is None else array(tensor)


def empty(like: Tensor) -> Tensor:
    """Return an uninitialised contiguous float32 tensor of the same shape."""
    return torch.empty(like.shape, dtype=torch.float32)


def row_values(logits: Tensor, count: int) -> list[Tensor]:
    """Return `count` uninitialised float32 tensors `[R]`."""
    return [torch.empty(logits.shape[0], dtype=torch.float32) for _ in range(count)]
