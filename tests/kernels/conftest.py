"""Every path of every op, in one plain `pytest` run.

Triton decides while it is imported whether it interprets, so the variable is set here, before any test runs. Nothing in
`kernels` imports Triton until a Triton path is taken. Where there is a GPU, the same tests compile and run there.
"""

import os
from collections.abc import Iterator

import pytest
import torch

from kernels.backend import without_numba

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

PATHS = ("triton", "numba", "eager")


def pytest_configure(config: pytest.Config) -> None:
    # NaN is what these tests feed it; NumPy, which the interpreter computes with, warns of each.
    config.addinivalue_line("filterwarnings", "ignore::RuntimeWarning:triton.runtime.interpreter")


def backend_of(path: str) -> str:
    return "triton" if path == "triton" else "torch"


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each implementation in turn; `numba` and `eager` are the two halves of backend="torch"."""
    name: str = request.param
    if name == "eager":
        with without_numba():
            yield name
    else:
        yield name


@pytest.fixture
def backend(path: str) -> str:
    return backend_of(path)
