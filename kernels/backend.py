"""Which implementation of an op runs, and a count of those that ran.

Public names are `triton` and `torch`. On a CPU `torch` means Numba loops where they are faster (float32,
Numba installed) and PyTorch operators otherwise: same contract, same results up to rounding.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

BACKENDS = ("auto", "triton", "torch")
ENVIRONMENT_VARIABLE = "ZEROMASS_KERNELS_BACKEND"

_OTHER_FLOATS = (torch.bfloat16, torch.float16, torch.float64)

_default: str | None = None
_from_environment = os.environ.get(ENVIRONMENT_VARIABLE)
_numba_allowed = True
_launches: Counter[str] = Counter()
loops_for: dict[str, bool] = {}
"""Whether a value of `backend=` stands for the Numba loops, for float32 on a CPU; kept so that a call need not ask."""


def set_default_backend(backend: str | None) -> None:
    """Choose what `backend="auto"` means in this process; None gives the choice back to the environment.

    `auto` follows this call first, then the environment variable ZEROMASS_KERNELS_BACKEND (set it before the process
    starts, or call `resolve_backend` after a change), then the device: Triton on CUDA, torch elsewhere. Raises
    ValueError for an unknown name.
    """
    global _default
    if backend is not None:
        _check_name(backend)
    _default = backend
    _note_loops()


def resolve_backend(backend: str, device: torch.device) -> str:
    """Return "triton" or "torch" for tensors on `device`.

    Raises ValueError for an unknown name and RuntimeError when Triton is asked for where it cannot run.
    """
    _check_name(backend)
    if backend == "auto":
        _read_environment()
        backend = _default or _from_environment or "auto"
        _check_name(backend)
    if backend == "auto":
        return "triton" if device.type == "cuda" and triton_installed() else "torch"
    if backend == "triton":
        _require_triton(device)
    return backend


def triton_installed() -> bool:
    """Whether the triton package can be imported (it is not there on macOS)."""
    return "triton" in sys.modules or importlib.util.find_spec("triton") is not None


@cache
def numba_installed() -> bool:
    """Whether the numba package can be imported."""
    return importlib.util.find_spec("numba") is not None


def _read_environment() -> None:
    global _from_environment
    found = os.environ.get(ENVIRONMENT_VARIABLE)
    if found != _from_environment:
        _from_environment = found
        _note_loops()


def _note_loops() -> None:
    """Bring `loops_for` up to date."""
    found = _numba_allowed and numba_installed()
    loops_for["torch"] = found
    loops_for["auto"] = found and (_default or _from_environment or "auto") in ("auto", "torch")


def use_numba(arguments: Sequence[Any]) -> bool:
    """Whether the CPU path may take the Numba loops: no tensor elsewhere, and no floats but float32."""
    if not _numba_allowed:
        return False
    for argument in arguments:
        if isinstance(argument, torch.Tensor) and (not argument.is_cpu or argument.dtype in _OTHER_FLOATS):
            return False
    return True


@contextmanager
def without_numba() -> Iterator[None]:
    """Run the CPU path on PyTorch operators alone, to test it and to time it."""
    global _numba_allowed
    before, _numba_allowed = _numba_allowed, False
    _note_loops()
    try:
        yield
    finally:
        _numba_allowed = before
        _note_loops()


def count_launch(op: str, backend: str) -> None:
    """Note that `op` ran on `backend` ("triton", "numba" or "torch")."""
    _launches[f"{op}.{backend}"] += 1


def launches() -> dict[str, int]:
    """Return how often each op ran on each backend in this process, keyed like "masked_softmax.triton"."""
    return dict(_launches)


def reset_launches() -> None:
    """Set every count of `launches` back to zero."""
    _launches.clear()


def _check_name(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")


def _require_triton(device: torch.device) -> None:
    if not triton_installed():
        raise RuntimeError("backend='triton' needs the triton package, which is not installed; use backend='torch'")
    if device.type == "cuda":
        return
    # Triton reads the variable while it is imported: set later, its own helpers stay compiled.
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError(
            f"backend='triton' on a {device.type} tensor needs the interpreter: set TRITON_INTERPRET=1 before the "
            "process starts, or use backend='torch'"
        )
    import triton.language as tl

    if not type(tl.sum).__name__.startswith("Interpreted"):
        raise RuntimeError(
            "TRITON_INTERPRET=1 was set after triton had been imported; set it before the process starts"
        )


_note_loops()
