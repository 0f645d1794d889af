# mypy: allow-untyped-calls
"""How ZeroMass compiles Python with Numba: two decorators and one cache on disk.

The cache of a module lies in a folder named by a hash of every source it can inline: the module itself and all modules
of this repository that it imports, directly or not. Numba alone looks at the calling file only, so that an edit in a
callee would silently run stale code.

Processes may compile at once: each entry is a file that appears whole, and a warm-up (`watched`) takes a lock as soon
as the cache lacks something, so that of several processes that start together one compiles and the others read what it
wrote. A process that lacks nothing does not wait.

The cache lies in NUMBA_CACHE_DIR if that is set, else in the user's cache folder, else (where that cannot be written)
in the folder for temporary files. Pickles can run code: folders that others own or can write to are ignored. A damaged
entry counts as missing; without a cache, each process compiles. Old folders may be deleted at any time."""

import contextlib
import functools
import hashlib
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

import llvmlite
import numba
import numpy as np
from llvmlite import ir
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserProvidedCacheLocator
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PACKAGES: Final = ("kernels", "agent", "selfplay", "training", "benchmarks")  # compiled code may inline each other's
_ROOT: Final = Path(__file__).resolve().parent.parent
_IMPORT: Final = re.compile(r"^[ \t]*(?:from[ ]+([\w.]+)[ ]+import[ ]+(\([^)]*\)|.*)|import[ ]+(.*))", re.MULTILINE)
_watch: "Compilations | None" = None

# NUMBA_DISABLE_JIT is set to debug other code; ours cannot run as plain Python.
numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]


def njit(function: _Function, *, inline: bool = False) -> _Function:
    """Compile `function` at its first call, or load it from the cache; it runs without the interpreter's lock."""
    compiled: Any = numba.njit(nogil=True, error_model="numpy", forceinline=inline)(function)
    compiled._cache = _Cache(function)  # as Numba's own `cache=True` does, with its own class
    return cast(_Function, compiled)


def inlined(function: _Function) -> _Function:
    """As `njit`, and always inlined: for small functions that compiled loops call for every row or position. Numba
    counts references to an array around a call that is not inlined, in atomic operations that cost more than most of
    these functions do; the rules of chess ran at half their speed."""
    return njit(function, inline=True)


def bit_intrinsic(instruction: str) -> Callable[[np.uint64], np.uint64]:
    """LLVM's "ctpop", "cttz" (64 for 0) or "bswap" on a 64-bit word, for use in compiled code."""

    def typing(_context: Any, _word: Any) -> Any:
        def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            more = [ir.Constant(ir.IntType(1), 0)] if instruction == "cttz" else []
            return getattr(builder, instruction)(arguments[0], *more)

        return numba.uint64(numba.uint64), codegen

    return cast(Callable[[np.uint64], np.uint64], intrinsic(typing))


class _Locator(UserProvidedCacheLocator):
    """Gives Numba the folder of a function's machine code. The folder's name stands for the version of the sources.
    Numba's own locators compare the path and time of a file, which differ between checkouts and nodes."""

    def __init__(self, function: Any, file: str) -> None:
        self._folder, self._lineno = cache_folder(Path(file)), function.__code__.co_firstlineno
        self._cache_path = str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_private(self._folder):
            raise PermissionError("others own it or can write to it")

    @classmethod
    def from_function(cls, function: Any, file: str) -> "_Locator":
        return cls(function, file)


class _Implementation(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012  (as Numba declares it)


class _Entries(IndexDataCacheFile):
    """A function's machine code: one file a signature, named by it, with a checksum at its end. Numba keeps an index
    beside numbered files: processes that write at once could exchange their machine code."""

    def save(self, key: Any, data: Any) -> None:
        self._save_data(self._entry(key), (key, data))

    def load(self, key: Any) -> Any:
        data = Path(self._data_path(self._entry(key))).read_bytes()
        if data[-32:] != hashlib.sha256(data[:-32]).digest():
            return None  # a crash of the system can leave zeros
        found, entry = self._load_data(self._entry(key))
        return entry if found == key else None

    def _dump(self, entry: Any) -> bytes:
        data = super()._dump(entry)
        return bytes(data + hashlib.sha256(data).digest())  # unpickling ignores what follows

    def _entry(self, key: Any) -> str:
        return str(self._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:15], 16)))


class _Cache(FunctionCache):
    """The cache of one function: a miss where it cannot be read, one sentence where it cannot be written."""

    _impl_class = _Implementation

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file = _Entries(self.cache_path, self._impl.filename_base, "")

    def load_overload(self, signature: Any, context: Any) -> Any:
        def load() -> Any:
            with contextlib.suppress(Exception):  # damaged bytes raise anything: the entry is missing, and written anew
                if is_private(Path(self.cache_path)):
                    return super(_Cache, self).load_overload(signature, context)
            return None

        loaded = load()
        if loaded is None and _watch is not None:
            return _watch.compile(self._py_func.__module__, Path(self.cache_path), load)
        return loaded

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            super().save_overload(signature, data)
        except OSError as error:
            _say_no_cache(error.strerror or str(error))


@functools.cache
def _say_no_cache(reason: str) -> None:
    """Once a process: to the display of the warm-up, else to standard error."""
    say = (_watch and _watch._report) or logging.getLogger(__name__).warning
    fault = f"compiled code cannot be kept in '{base_folder()}' ({reason}), so every start compiles it again"
    say(f"{fault}; set NUMBA_CACHE_DIR to a folder of your own that has room")


class Compilations:
    """What the cache lacked during a warm-up; made by `watched`."""

    def __init__(self, report: Callable[[str], None] | None, lock: contextlib.ExitStack) -> None:
        self.count = 0  # functions compiled
        self._report, self._lock, self._holds_lock = report, lock, False
        self._reported: set[str] = set()

    def compile(self, module: str, folder: Path, load: Callable[[], Any]) -> Any:
        """Take the lock at the first call, and load what another process has compiled meanwhile; None: compile it."""
        if not self._holds_lock:
            with contextlib.suppress(OSError):  # no cache: each process compiles for itself
                self._lock.enter_context(locked(folder / "warm-up.lock", self._report))
            self._holds_lock = True
            if (loaded := load()) is not None:
                return loaded
        self.count += 1
        if self._report is not None and module not in self._reported:
            self._reported.add(module)
            self._report(f"compiling {module} ...")
        return None


@contextlib.contextmanager
def watched(report: Callable[[str], None] | None = None) -> Iterator[Compilations]:
    """Count what is compiled in the block, and let one process at a time compile. `report` gets a line of text for each
    module that has to be compiled, and one when another process is waited for."""
    global _watch
    with contextlib.ExitStack() as lock:
        _watch = Compilations(report, lock)
        try:
            yield _watch
        finally:
            _watch = None


@functools.cache
def base_folder() -> Path:
    """The folder that holds the caches of all versions of the sources; if none can be used, the one that was wanted."""
    usual = {"win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local", "darwin": "~/Library/Caches"}
    wanted = os.environ.get("NUMBA_CACHE_DIR") or usual.get(sys.platform) or os.environ.get("XDG_CACHE_HOME")
    folders: list[Path] = []
    with contextlib.suppress(RuntimeError):  # no home: containers run users by number
        folders.append(Path(wanted or "~/.cache").expanduser() / "zeromass")
    with contextlib.suppress(OSError):  # no folder for temporary files
        # Directly there: in a folder of others they could exchange ours, or lead elsewhere by a link.
        place = Path(tempfile.gettempdir()) / f"zeromass-{os.getuid() if hasattr(os, 'getuid') else ''}"
        folders += [] if place.is_symlink() else [place]
    folders = folders or [Path("zeromass-cache")]
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            folder.chmod(0o700)  # fails where it is not one's own
            if is_private(folder):
                return folder
    return next(filter(is_private, folders), folders[0])


def is_private(folder: Path) -> bool:
    """Whether only this user can write to `folder`."""
    with contextlib.suppress(OSError):
        found = folder.stat()
        return sys.platform == "win32" or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return False


@functools.cache
def cache_folder(module: Path) -> Path:
    """The folder of a module's machine code, named by a hash of every source it can inline, names included. Entries
    name the modules that they were compiled from: a module that only moved must not find them."""
    digest = hashlib.sha256(f"2 {sys.version} {numba.__version__} {llvmlite.__version__} {np.__version__}".encode())
    for path in sorted(compiled_sources(module)):
        digest.update(f"{os.path.relpath(path, _ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return base_folder() / digest.hexdigest()[:16]


@functools.cache
def compiled_sources(module: Path) -> frozenset[Path]:
    """`module` and every module of this repository that it imports, directly or not."""
    found, waiting = {module}, [module]
    while waiting:
        new = _imports(waiting.pop()) - found
        found |= new
        waiting += new
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


@contextlib.contextmanager
def locked(path: Path, report: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system releases it when a process dies. `report` gets a line of
    text if another process has to be waited for."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not try_lock(file) and report is not None:
            report("another process compiles the same; waiting for it ...")
        while not try_lock(file):
            time.sleep(0.05)
        yield


def try_lock(file: IO[bytes]) -> bool:
    """Whether this process has the exclusive lock of an open file now; closing it releases it. An OSError: none can."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second: Windows
        return False
    return True
