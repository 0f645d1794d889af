"""Which implementation of an op runs, and a count of those that ran. Public names are `triton` and `torch`. On a CPU
`torch` means Numba loops where they are faster (float32, Numba installed) and PyTorch operators otherwise: same
contract, same results up to rounding."""

import importlib
import importlib.util
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

BACKENDS = ("auto", "triton", "torch")
ENVIRONMENT_VARIABLE = "ZEROMASS_KERNELS_BACKEND"

_OTHER_FLOATS = (torch.bfloat16, torch.float16, torch.float64)

_numba_allowed = True
launched: Counter[tuple[str, str]] = Counter()  # how often an op ran on a backend ("triton", "numba" or "torch")


def resolve_backend(backend: str, device: torch.device) -> str:
    """Return "triton" or "torch" for tensors on `device`. `auto` follows the environment variable
    ZEROMASS_KERNELS_BACKEND, then the device: Triton on CUDA where it runs, torch elsewhere. Raises ValueError for an
    unknown name and RuntimeError when Triton is asked for where it cannot run."""
    if backend == "auto":
        backend = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "auto":
        return "triton" if device.type == "cuda" and not triton_fault(device) else "torch"
    if backend == "triton":
        _require_triton(device)
    return backend


def triton_installed() -> bool:
    """Whether the triton package can be imported (it is not there on macOS)."""
    return sys.modules.get("triton") is not None or importlib.util.find_spec("triton") is not None


def triton_fault(device: torch.device) -> str:
    """Why Triton cannot run on this GPU, such as `no C compiler is installed: ...`; empty where it can. The first call
    in a process launches a kernel to see, and warns once where that fails; later ones remember, whatever the GPU."""
    if not _faults:
        _faults.append(_probe(device))
        if _faults[0]:
            sentence = f"Triton cannot run here ({_faults[0]}); the masked ops take torch's operators instead"
            warnings.warn(sentence, RuntimeWarning, stacklevel=2)
    return _faults[0]


_faults: list[str] = []  # what `triton_fault` found, once it has looked
triton_fault._dynamo_marked_constant = True  # type: ignore[attr-defined]  # a compiler asks instead of tracing it


def _probe(device: torch.device) -> str:
    """Launch the smallest kernel. Triton compiles its launcher for this machine first, with a C compiler."""
    if not triton_installed():
        return "the triton package is not installed"
    try:
        unpack = importlib.import_module("kernels.on_triton.legality").unpack_legal
        unpack(torch.zeros(1, 1, dtype=torch.int32, device=device), 1)
    except Exception as error:  # whatever it is, torch's operators do the work
        if type(error).__name__ == "CalledProcessError":
            return "the C compiler failed; it needs Python's headers, such as those of the package python3-dev"
        if "C compiler" in str(error):
            return "no C compiler is installed: install gcc, or name one in the environment variable CC"
        if "libcuda" in str(error):
            return "the driver's library libcuda.so.1 is not found: install NVIDIA's driver"
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return ""


def implementation(backend: str, module: str, name: str, arguments: Sequence[Any]) -> tuple[str, Callable[..., Any]]:
    """Return "triton", "numba" or "torch", and its function `name` in the file `module`. For `backend="torch"` that is
    the Numba loop, if there is one and every tensor is on a CPU and of no float type but float32."""
    if backend == "torch" and _numba_allowed:
        loop = _function("numba", module, name)
        if loop is not None and all(map(_fits_loops, arguments)):
            return "numba", loop
    found = _function(backend, module, name)
    assert found is not None
    return backend, found


def _fits_loops(argument: Any) -> bool:
    if isinstance(argument, torch.Tensor):
        return argument.is_cpu and argument.dtype not in _OTHER_FLOATS
    return not isinstance(argument, list) or all(map(_fits_loops, argument))


@cache
def _function(kind: str, module: str, name: str) -> Callable[..., Any] | None:
    if kind == "numba" and importlib.util.find_spec("numba") is None:
        return None
    found: Callable[..., Any] | None = getattr(importlib.import_module(f"kernels.on_{kind}.{module}"), name, None)
    return found


@contextmanager
def without_numba() -> Iterator[None]:
    """Run the CPU path on PyTorch operators alone, to test it and to time it."""
    global _numba_allowed
    before, _numba_allowed = _numba_allowed, False
    try:
        yield
    finally:
        _numba_allowed = before


def launches() -> dict[str, int]:
    """Return how often each op ran on each backend in this process, keyed like "masked_softmax.triton"."""
    return {f"{name}.{kind}": count for (name, kind), count in launched.items()}


def reset_launches() -> None:
    """Set every count of `launches` back to zero."""
    launched.clear()


def _require_triton(device: torch.device) -> None:
    if not triton_installed():
        raise RuntimeError("backend='triton' needs the triton package, which is not installed; use backend='torch'")
    if device.type == "cuda" and (fault := triton_fault(device)):
        raise RuntimeError(f"backend='triton' cannot run here: {fault}; or use backend='torch'")
    if device.type in ("cuda", "meta"):  # on the second nothing runs
        return
    # Triton reads the variable while it is imported: set later, its own helpers stay compiled.
    if os.environ.get("TRITON_INTERPRET") != "1":
        advice = "set TRITON_INTERPRET=1 before the process starts, or use backend='torch'"
        raise RuntimeError(f"backend='triton' on a {device.type} tensor needs the interpreter: {advice}")
    import triton.language as tl

    if not type(tl.sum).__name__.startswith("Interpreted"):
        fault = "TRITON_INTERPRET=1 was set after triton had been imported"
        raise RuntimeError(f"{fault}; set it before the process starts")
