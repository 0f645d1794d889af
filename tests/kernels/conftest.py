"""Every path of every op, in one plain `pytest` run.

Triton decides while it is imported whether it interprets, so the variable is set here, before any test runs. Nothing in
`kernels` imports Triton until a Triton path is taken. Where there is a GPU, the same tests compile and run there."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest
import torch

from kernels.ops.backend import without_numba

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_configure(config: pytest.Config) -> None:
    # NaN is what these tests feed it; NumPy, which the interpreter computes with, warns of each.
    config.addinivalue_line("filterwarnings", "ignore::RuntimeWarning:triton.runtime.interpreter")


@cache
def hasten_the_interpreter() -> None:
    """Let Triton patch its language once for a launch, not again at each call of a device function: half of the time.

    What functions of its own library see (`triton.language.core`) it patches at the first such call, and leaves so."""
    import triton.language as tl
    from triton.runtime import interpreter

    original, libraries_patched = interpreter.InterpretedFunction.__call__, False

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal libraries_patched
        if libraries_patched or self.fn.__globals__.get("core") is not tl.core:
            return self.rewrite()(*arguments, **options)
        libraries_patched = True
        return original(self, *arguments, **options)

    interpreter.InterpretedFunction.__call__ = call


@pytest.fixture(params=["triton", "numba", "eager"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each implementation in turn; `numba` and `eager` are the two halves of backend="torch"."""
    name: str = request.param
    if name == "triton" and not torch.cuda.is_available():
        hasten_the_interpreter()
    with without_numba() if name == "eager" else nullcontext():
        yield name


@pytest.fixture
def backend(path: str) -> str:
    return "triton" if path == "triton" else "torch"
