"""Sharing a batch between threads: the loops let go of the interpreter's lock, and rows do not depend on each other.

Numba's own parallel loops are left alone: the layer that every platform has stops the process when two threads enter.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

# Handing a part to another thread takes some 30 us; a row of 1,880 columns takes about 1 us.
LEAST_ENTRIES = 100_000

_pool: ThreadPoolExecutor | None = None


def in_parts(loop: Callable[..., None], rows_of: Tensor, *arguments: Any) -> None:
    """Run `loop(first, last, *arguments)` over the rows of a matrix, on up to as many threads as PyTorch may use."""
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


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="zeromass-kernels")
    return _pool


def _forget() -> None:
    """A forked child has none of its parent's threads: work given to them would never be done."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
