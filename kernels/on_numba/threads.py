"""Sharing a batch between threads: the loops let go of the interpreter's lock, and rows do not depend on each other.

PyTorch's own threads do the work where they are those of libgomp, as in its builds for Linux: they wait awake for a
while between two operators, so that a part is handed over in a microsecond or two. A sleeping thread needs fifty or
more on a virtual machine, and a second pool competes with the first for the cores. Numba's own parallel loops are left
alone: the layer that every platform has stops the process when two threads enter.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels.on_numba.compilation import Shared

# Entries that make another thread worth its while: to share a block, and to call a loop from Python.
LEAST_ENTRIES = 100_000
LEAST_ENTRIES_A_CALL = 1_000_000

_pool: ThreadPoolExecutor | None = None
_forked = False


def parts_of(rows: int, entries: int) -> int:
    """Return how many threads a matrix is worth, as many as PyTorch may use at most."""
    return max(1, min(torch.get_num_threads(), rows, entries // LEAST_ENTRIES))


def share(loop: Shared, block: ctypes.Array[Any] | ctypes.Structure, parts: int) -> None:
    """Run the compiled `loop(address of block)` in `parts` threads at once; each takes what the others left."""
    if parts <= 1:
        loop.call(ctypes.addressof(block))
        return
    team = None if _forked else _openmp()
    if team is not None:
        team(loop.address, ctypes.addressof(block), parts, 0)
        return
    others = [_threads().submit(loop.call, ctypes.addressof(block)) for _ in range(parts - 1)]
    loop.call(ctypes.addressof(block))
    for other in others:
        other.result()


def in_parts(loop: Callable[..., None], rows_of: Tensor, *arguments: Any) -> None:
    """Run `loop(first, last, *arguments)` over the rows of a matrix, in several Python threads if it is large.

    A call that has to enter the interpreter in the other thread costs 0.1 ms and more, by whichever pool.
    """
    rows = rows_of.shape[0]
    parts = min(torch.get_num_threads(), rows, rows_of.numel() // LEAST_ENTRIES_A_CALL)
    if parts <= 1:
        loop(0, rows, *arguments)
        return
    cuts = [rows * part // parts for part in range(parts + 1)]
    others = [_threads().submit(loop, cuts[part], cuts[part + 1], *arguments) for part in range(1, parts)]
    loop(0, cuts[1], *arguments)
    for other in others:
        other.result()


@cache
def _openmp() -> Callable[..., None] | None:
    """Return libgomp's entry for a parallel region, if PyTorch has loaded that library."""
    lib = Path(torch.__file__).parent
    if not hasattr(os, "RTLD_NOLOAD"):
        return None
    for path in (*lib.glob("lib/libgomp*"), *lib.parent.glob("torch.libs/libgomp*")):
        try:
            team: Any = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_NOW).GOMP_parallel
        except (OSError, AttributeError):
            continue
        team.argtypes, team.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
        found: Callable[..., None] = team
        return found
    return None


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="zeromass-kernels")
    return _pool


def _forget() -> None:
    """A forked child has none of its parent's threads: work given to them would never be done."""
    global _pool, _forked
    _pool, _forked = None, True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
