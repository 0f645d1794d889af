"""The short way of plain matrices on a CPU: from the public function to the loops, past packing and registration.

At 256 rows of 1,880 columns with 2 % legal the loops take a fifth of a millisecond, and what stands around them counts:
between large tensors the interpreter's own code falls out of the caches, and every Python call costs several times what
it does by itself. So this file asks everything at once and calls little. Results are bit for bit those of the long way.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from kernels.backend import loops_for

_float32, _int32, _bool, _uint8 = torch.float32, torch.int32, torch.bool, torch.uint8
_is_compiling = torch.compiler.is_compiling
_transforms = torch._C._are_functorch_transforms_active
_modes = torch._C._len_torch_dispatch_stack


def applies(logits: Tensor, legal: Tensor, backend: str) -> bool:
    """Whether this call is eager, on float32 `[B, N]` and a mask or words of as many rows, all on the CPU."""
    if (
        _is_compiling()
        or not loops_for.get(backend)
        or type(logits) is not Tensor
        or type(legal) is not Tensor
        or logits.dtype is not _float32
        or not logits.is_cpu
        or not legal.is_cpu
        or _modes()
        or _transforms()
    ):
        return False
    shape, kind = logits.shape, legal.dtype
    if len(shape) != 2 or shape[1] == 0:
        return False
    if kind is _int32:
        shape = shape[0], (shape[1] + 31) // 32  # type: ignore[assignment]
    elif kind is not _bool and kind is not _uint8:
        return False
    return legal.shape == shape and legal.stride(1) == 1


def untraced() -> bool:
    """Whether nobody watches the operators that run: no mode, no transform."""
    return not _modes() and not _transforms()


@cache
def loops() -> Any:
    """The loops, imported at first use: even an import that is done already takes several microseconds."""
    from kernels.on_numba import softmax

    return softmax


def words_to_keep(logits: Tensor, legal: Tensor) -> Tensor | None:
    """Return room for the words of a mask, or None where `legal` is words already."""
    if legal.dtype is _int32:
        return None
    rows, size = logits.shape
    return torch.empty(rows, (size + 31) // 32, dtype=_int32)
