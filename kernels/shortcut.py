"""The short way of plain matrices on a CPU: from the public function to the loops, past packing and registration.

At 256 rows of 1,880 columns with 2 % legal the loops take a tenth of a millisecond, and what stands around them counts:
between large tensors the interpreter's own code falls out of the caches, and every Python call costs several times what
it does by itself. The result is bit for bit that of the long way.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from kernels.backend import cpu_takes_loops
from kernels.legality import words_for

_MASKS = (torch.bool, torch.uint8)
_are_transforms_active = torch._C._are_functorch_transforms_active
_count_modes = torch._C._len_torch_dispatch_stack


def applies(logits: Tensor, legal: Tensor, backend: str) -> bool:
    """Whether this call is eager, on float32 `[B, N]` and a mask or words of as many rows, all on the CPU."""
    return (
        not torch.compiler.is_compiling()
        and type(logits) is Tensor
        and type(legal) is Tensor
        and logits.dtype is torch.float32
        and logits.dim() == 2
        and logits.is_cpu
        and legal.is_cpu
        and _fits(logits.shape, legal)
        and untraced()
        and cpu_takes_loops(backend)
    )


def untraced() -> bool:
    """Whether nobody watches the operators that run: no mode, no transform."""
    return not _count_modes() and not _are_transforms_active()


@cache
def loops() -> Any:
    """The loops, imported at first use: even an import that is done already takes several microseconds."""
    from kernels.on_numba import softmax

    return softmax


def words_to_keep(logits: Tensor, legal: Tensor) -> Tensor | None:
    """Return room for the words of a mask, or None where `legal` is words already."""
    if legal.dtype is torch.int32:
        return None
    rows, size = logits.shape
    return torch.empty((rows, words_for(size)), dtype=torch.int32)


def _fits(shape: Any, legal: Tensor) -> bool:
    if legal.dtype in _MASKS:
        return legal.shape == shape and shape[1] > 0 and legal.stride(1) == 1
    return legal.dtype is torch.int32 and legal.shape == (shape[0], words_for(shape[1])) and legal.stride(1) == 1
