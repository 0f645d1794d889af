"""How ZeroMass compiles Python with Numba: two decorators, one cache on disk, one warm-up.

`njit` is Numba's, typed for mypy and set for this project: the interpreter lock released, divisions
as NumPy does them, machine code cached on disk. `inlined` is the same for the small functions within.

The cache of a module lives in a folder named by a hash of every source it can inline: the module
itself and all modules of this repository that it imports, directly or not. Numba alone looks at the
calling file only, so that an edit in a callee would silently run stale code.

Processes may compile at once: each entry is written under a lock, and `warm_up` takes another as soon
as the cache lacks something, so that of several processes that start together one compiles and the
others read what it wrote. A process that lacks nothing waits for nobody.

The cache lies in NUMBA_CACHE_DIR if that is set, else in the user's cache folder, else (where that
cannot be written) in the folder for temporary files. Old folders may be deleted at any time.
"""

import contextlib
import functools
import getpass
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

import llvmlite
import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGES: Final = ("agent", "selfplay", "training", "benchmarks")  # whose compiled code may inline each other's
_ROOT: Final = Path(__file__).resolve().parent.parent
_IMPORT: Final = re.compile(r"^[ \t]*(?:from[ ]+([\w.]+)[ ]+import[ ]+(\([^)]*\)|.*)|import[ ]+(.*))", re.MULTILINE)
_exercises: Final[list[Callable[[], None]]] = []
_report: Callable[[str], None] | None = None
_compiling: contextlib.ExitStack | None = None
"""During a warm-up: holds the lock, once something has to be compiled."""
_compilations = 0


class WarmUp(NamedTuple):
    """What `warm_up` did."""

    cached: bool
    """Whether all of it came from the cache on disk and nothing had to be compiled."""
    compiled: int
    """How many functions were compiled."""
    seconds: float


def njit(function: _Function) -> _Function:
    """Compile `function` at its first call, or load it from the cache on disk."""
    return _compile(function, inline=False)


def inlined(function: _Function) -> _Function:
    """As `njit`, and always inlined: for what compiled loops call for every position.

    Numba counts references to an array around a call that is not inlined, in atomic operations that
    cost more than most of these functions do; the rules ran at half their speed.
    """
    return _compile(function, inline=True)


def _compile(function: _Function, *, inline: bool) -> _Function:
    folder = cache_folder(Path(function.__code__.co_filename))
    config: Any = numba.config
    configured = config.CACHE_DIR
    config.CACHE_DIR = str(folder)  # Numba reads it while decorating only
    try:
        compiled = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=inline)(function)
    finally:
        config.CACHE_DIR = configured
    _watch(compiled, function.__module__, folder)
    return cast(_Function, compiled)


def bit_intrinsic(instruction: str) -> Callable[[np.uint64], np.uint64]:
    """LLVM's "ctpop", "cttz" (64 for 0) or "bswap" on a 64-bit word, for use in compiled code."""

    def typing(_context: Any, _word: Any) -> Any:
        def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            if instruction == "cttz":
                return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))
            return getattr(builder, instruction)(arguments[0])

        return numba.uint64(numba.uint64), codegen

    return cast(Callable[[np.uint64], np.uint64], intrinsic(typing))


def on_warm_up(exercise: Callable[[], None]) -> Callable[[], None]:
    """Register `exercise`, which calls compiled code with the types it is used with; a decorator."""
    _exercises.append(exercise)
    return exercise


def warm_up(
    progress: Callable[[str], None] | None = None, exercises: Iterable[Callable[[], object]] | None = None
) -> WarmUp:
    """Compile, or load from the cache, the compiled code of all modules imported so far, or of `exercises` alone.

    `progress` gets a line of text for each module that has to be compiled, none when all is cached.
    Several processes may call this at once: one compiles, the others wait and load.
    """
    global _report, _compiling
    started, before = time.perf_counter(), _compilations
    _report = _once_each(progress) if progress is not None else None
    try:
        with contextlib.ExitStack() as _compiling:
            for exercise in _exercises if exercises is None else exercises:
                exercise()
    finally:
        _report = _compiling = None
    compiled = _compilations - before
    return WarmUp(compiled == 0, compiled, time.perf_counter() - started)


@functools.cache
def base_folder() -> Path:
    """The folder that holds the caches of all versions of the sources."""
    if configured := os.environ.get("NUMBA_CACHE_DIR"):
        candidates = [Path(configured)]
    elif sys.platform == "win32":
        candidates = [Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))]
    elif sys.platform == "darwin":
        candidates = [Path.home() / "Library" / "Caches"]
    else:
        candidates = [Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")]
    candidates.append(Path(tempfile.gettempdir()) / f"cache-{getpass.getuser()}")
    for candidate in candidates:
        folder = candidate / "zeromass"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
    return Path(tempfile.mkdtemp(prefix="zeromass-"))


@functools.cache
def cache_folder(module: Path) -> Path:
    """The folder of a module's machine code, named by a hash of every source it can inline."""
    digest = hashlib.sha256(f"1 {sys.version} {numba.__version__} {llvmlite.__version__} {np.__version__}".encode())
    for path in sorted(compiled_sources(module)):
        digest.update(path.read_bytes())
    return base_folder() / digest.hexdigest()[:16]


@functools.cache
def compiled_sources(module: Path) -> frozenset[Path]:
    """`module` and every module of this repository that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imports(path))
    return frozenset(found)


@functools.cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of this repository that `path` imports. A pattern finds them, for parsing would cost every start 50 ms."""
    names: set[str] = set()
    for package, imported, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        if package:
            names.add(package)
            names.update(f"{package}.{name}" for name in re.findall(r"\w+", imported))
        else:
            names.update(re.findall(r"[\w.]+", plain))
    # Once installed, _ROOT holds every other package too.
    stems = [_ROOT.joinpath(*name.split(".")) for name in names if name.split(".")[0] in _PACKAGES]
    candidates = {stem.with_suffix(".py") for stem in stems} | {stem / "__init__.py" for stem in stems}
    return frozenset(candidate for candidate in candidates if candidate.is_file())


def _watch(compiled: Any, module: str, folder: Path) -> None:
    """Count and report what the cache lacks, and write to it under a lock.

    Numba numbers the files of a function's signatures by an index that it reads before it writes:
    two processes that compiled different signatures could exchange their machine code.
    """
    cache = compiled._cache
    # Numba would also tell sources apart by path and time, of which every checkout and every node has its own.
    entries = cache._cache_file
    entries._source_stamp, entries._cache_path = folder.name, str(folder)
    entries._index_path = str(folder / entries._index_name)
    load, save = cache.load_overload, cache.save_overload

    def watched_load(signature: Any, context: Any) -> Any:
        global _compilations, _compiling
        loaded = load(signature, context)
        if loaded is None and _compiling is not None:
            # Whoever compiles the same sources has the lock, and may have written this by the time we get it.
            _compiling.enter_context(locked(folder / "warm-up.lock", _report))
            _compiling = None
            loaded = load(signature, context)
        if loaded is None:
            _compilations += 1
            if _report is not None:
                _report(f"compiling {module} ...")
        return loaded

    def locked_save(signature: Any, data: Any) -> None:
        with locked(folder / "save.lock"):
            save(signature, data)

    cache.load_overload, cache.save_overload = watched_load, locked_save


def _once_each(report: Callable[[str], None]) -> Callable[[str], None]:
    seen: set[str] = set()

    def report_new(line: str) -> None:
        if line not in seen:
            seen.add(line)
            report(line)

    return report_new


@contextlib.contextmanager
def locked(path: Path, report: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system releases it when a process dies.

    `report` hears it if another process has to be waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield
            finally:
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if report is not None:
                    report("another process compiles the same; waiting for it ...")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing the file releases the lock
