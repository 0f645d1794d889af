# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""How the loops are compiled, and where their machine code is kept.

Numba's cache on disk looks at the file that defines a function and no further: after an edit of a function that it
calls, stale code would run. Here the folder of the cache bears a hash of every source beside this one.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call, keep the result on disk, and let other threads run meanwhile."""
    with _cache():
        dispatcher: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    _lock_saves(dispatcher)
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """For what loops call: always inlined, for Numba counts references, atomically, to each array that a call passes.

    Its code is kept as part of its callers' alone.
    """
    return numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)


class Shared(NamedTuple):
    """A C function of one address."""

    address: int
    call: Callable[[int], None]  # without the interpreter's lock
    code: Any  # what keeps it in memory


def shared(function: Callable[..., Any]) -> Shared:
    """Compile now, or load, `function(address)` as a C function, for `threads.share`: any thread may run it."""
    with _cache(), _lock(_folder() / "save.lock"):
        code: Any = numba.cfunc("void(int64)", cache=True, error_model="numpy")(function)
    return Shared(code.address, ctypes.CFUNCTYPE(None, ctypes.c_int64)(code.address), code)


@contextlib.contextmanager
def _cache() -> Iterator[None]:
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder())  # Numba reads it while it decorates, and only then
    try:
        yield
    finally:
        config.CACHE_DIR = before


@functools.cache
def _folder() -> Path:
    digest = hashlib.sha256(f"{sys.version} {numba.__version__} {llvmlite.__version__}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    if configured := os.environ.get("NUMBA_CACHE_DIR"):
        base = Path(configured)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "zeromass" / name
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return folder
    return Path(tempfile.mkdtemp(prefix="zeromass-"))  # compiled again by each process, for want of a better place


def _lock_saves(dispatcher: Any) -> None:
    """Numba numbers a function's files by an index that it reads before it writes: one process at a time."""
    save = dispatcher._cache.save_overload

    def locked(signature: Any, data: Any) -> None:
        with _lock(_folder() / "save.lock"):
            save(signature, data)

    dispatcher._cache.save_overload = locked


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock between processes, where the platform has one that it releases when a process dies."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
