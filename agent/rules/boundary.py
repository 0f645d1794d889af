"""The boundary of compiled code: what may pass it, and how a batch is spread over threads.

Compiled code checks no bounds. Whatever is given to it goes through here first, so that it gets the
one dtype and layout it was compiled for and can neither read nor write outside an array.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent.rules.record import WORDS


def checked(positions: NDArray[np.uint64], *, write: bool = False) -> NDArray[np.uint64]:
    """`positions`, or a copy of them where compiled code needs another layout.

    Raises:
        ValueError: not uint64 [B, WORDS]; with `write`, also not writeable or not C-contiguous.
    """
    if not isinstance(positions, np.ndarray) or positions.dtype != np.uint64:
        raise ValueError(f"positions must be a uint64 array, not {getattr(positions, 'dtype', type(positions))}")
    if positions.ndim != 2 or positions.shape[1] != WORDS:
        raise ValueError(f"positions must have the shape [B, {WORDS}], not {list(positions.shape)}")
    if positions.flags.writeable and positions.flags.c_contiguous and positions.flags.aligned:
        return positions
    if write:
        raise ValueError("positions to be changed must be a writeable, C-contiguous array")
    return np.array(positions, np.uint64, order="C")


def checked_moves(moves: ArrayLike, batch: int) -> NDArray[np.int64]:
    """`moves` as int64 [batch].

    Raises:
        ValueError: not integers, or not one a position.
    """
    array = np.asarray(moves)
    if (array.dtype.kind not in "iu" and array.size) or array.shape != (batch,):
        raise ValueError(f"moves must be integers of shape [{batch}], not {array.dtype} {list(array.shape)}")
    return np.require(array, np.int64, ["C", "W"])


def checked_counts(counts: NDArray[np.int32], batch: int) -> NDArray[np.int32]:
    """`counts` of legal moves.

    Raises:
        ValueError: not int32, or not one a position.
    """
    if counts.dtype != np.int32 or counts.shape != (batch,):
        raise ValueError(f"counts must be int32 [{batch}], not {counts.dtype} {list(counts.shape)}")
    return np.require(counts, None, ["C", "W"])


def output(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """`out`, or a fresh array.

    Raises:
        ValueError: `out` has another shape, dtype or layout.
    """
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        wanted = f"{np.dtype(dtype).name} {list(shape)}, writeable and C-contiguous"
        raise ValueError(f"out must be {wanted}, not {out.dtype.name} {list(out.shape)}")
    return out


@cache
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rules")


def spread(loop: Callable[..., Any], threads: int, *arrays: NDArray[Any]) -> list[Any]:
    """Run compiled `loop` over slices of `arrays` along their first axis, one slice a thread; what each returned."""
    batch = arrays[0].shape[0]
    threads = min(threads, batch)
    if threads < 2:
        return [loop(*arrays)]
    cuts = [batch * part // threads for part in range(threads + 1)]
    parts = [[array[low:high] for array in arrays] for low, high in itertools.pairwise(cuts)]
    # A pool does not survive a fork: the process is part of its key.
    jobs = [_pool(threads, os.getpid()).submit(loop, *part) for part in parts[1:]]
    return [loop(*parts[0]), *(job.result() for job in jobs)]
