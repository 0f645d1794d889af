"""From tensors to the loops: contiguous arrays, so that each loop is compiled once, and rows shared between threads.

The loops release the interpreter's lock, and rows do not depend on each other. Numba's own parallel loops are not used:
the threading layer that every platform has stops the process when two threads enter."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

NONE = np.zeros(0, dtype=np.float32)
NO_MATRIX = np.zeros((0, 0), dtype=np.float32)
NO_INDEX = np.zeros(0, dtype=np.int64)

# Of a matrix for each thread: handing a part to another thread costs 0.1 ms and more.
LEAST_ENTRIES = 1_000_000


def array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Return a contiguous array, without a copy where the tensor is contiguous already."""
    plain = tensor.detach() if tensor.requires_grad else tensor
    return plain.numpy() if plain.is_contiguous() else plain.contiguous().numpy()


def optional(tensor: Tensor | None, none: np.ndarray[Any, Any] = NONE) -> np.ndarray[Any, Any]:
    """Return the array of a tensor, or an empty one in its place."""
    return none if tensor is None else array(tensor)


def in_parts(loop: Callable[..., None], rows_of: Tensor, *arguments: Any) -> None:
    """Run `loop(first, last, *arguments)` over the rows of a matrix, in several threads if it is large. Tensors among
    the arguments are handed over as arrays; those that the loop writes must be contiguous."""
    arguments = tuple(array(one) if isinstance(one, Tensor) else one for one in arguments)
    rows = rows_of.shape[0]
    parts = min(torch.get_num_threads(), rows, rows_of.numel() // LEAST_ENTRIES)
    if parts <= 1:
        loop(0, rows, *arguments)
        return
    cuts = [rows * part // parts for part in range(parts + 1)]
    others = [_threads().submit(loop, cuts[part], cuts[part + 1], *arguments) for part in range(1, parts)]
    loop(0, cuts[1], *arguments)
    for other in others:
        other.result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="zeromass-kernels")


if hasattr(os, "register_at_fork"):  # a forked child has no threads of its parent: work given to them would not be done
    os.register_at_fork(after_in_child=_threads.cache_clear)
