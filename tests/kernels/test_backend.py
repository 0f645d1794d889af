"""Which backend runs, who decides, and how one can tell. Each process here is fresh, for Triton looks once."""

import shutil
import warnings
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import Mock

import pytest
import torch

import kernels
import kernels.ops
from kernels.ops import backend as backends
from kernels.ops.backend import ENVIRONMENT_VARIABLE, triton_fault
from tests.kernels.family import DEVICE, make_case
from tests.processes import run_python

SOFTMAX = (
    "import torch, kernels;"
    "p = kernels.masked_softmax(torch.zeros(1, 4), legal=torch.tensor([[True, True, False, True]]){});"
    "print(round(float(p[0, 0]), 4), *sorted(kernels.launches()))"
)


def python(code: str, **environment: str) -> CompletedProcess[str]:
    variables: dict[str, Any] = {"TRITON_INTERPRET": "0", ENVIRONMENT_VARIABLE: "", **environment}
    return run_python("-W", "ignore", "-c", code, **variables)


def test_compiled_code_needs_no_torch() -> None:
    """Nor do the ops need Triton or Numba to be imported."""
    for names, heavy in (("kernels.compilation, kernels.splitmix", "torch triton"), ("kernels.ops", "triton numba")):
        code = f"import sys, kernels, {names}; print({set(heavy.split())} & set(sys.modules))"
        assert python(code).stdout == "set()\n"


def test_every_public_name_is_that_of_the_ops() -> None:
    """Modules have names of ops, too: none may stand for its op."""
    assert kernels.__all__ == kernels.ops.__all__
    for name in kernels.__all__:
        assert callable(getattr(kernels, name))
        assert getattr(kernels, name) is getattr(kernels.ops, name)
    assert set(kernels.__all__) <= set(dir(kernels))
    with pytest.raises(AttributeError, match="no attribute 'softmax'"):
        kernels.softmax  # type: ignore[attr-defined]  # noqa: B018


HIDE = "import sys; sys.modules.update(triton=None, numba=None);"  # so that an import raises, and finds no spec
LATE = "import triton, os; os.environ['TRITON_INTERPRET'] = '1';"
INTERPRETED = {"TRITON_INTERPRET": "1", ENVIRONMENT_VARIABLE: "triton"}


@pytest.mark.parametrize(
    ("before", "environment", "ran"), [(HIDE, {}, "torch"), ("", {}, "numba"), ("", INTERPRETED, "triton")]
)
def test_auto_takes_what_there_is_or_is_asked_for(before: str, environment: dict[str, str], ran: str) -> None:
    done = python(before + SOFTMAX.format(""), **environment)
    packed = ran.replace("numba", "torch")  # there is no loop for it
    assert done.stdout == f"0.3333 masked_softmax.{ran} pack_legal.{packed}\n", done.stderr


def test_a_backend_that_cannot_run_says_why() -> None:
    for before, environment, sentence in (
        (HIDE, {}, "needs the triton package, which is not installed"),
        ("", {}, "set TRITON_INTERPRET=1 before the process starts"),
        (LATE, {}, "was set after triton had been imported"),
        ("", {ENVIRONMENT_VARIABLE: "fast"}, "got 'fast'"),
    ):
        done = python(before + SOFTMAX.format("" if environment else ", backend='triton'"), **environment)
        assert done.returncode != 0
        assert sentence in done.stderr.splitlines()[-1]


FAKE = (  # a GPU that Triton believes in until it builds its launcher
    "import torch; from kernels.ops.backend import triton_fault; torch.cuda.is_available = lambda: True;"
    "torch.cuda.current_device = lambda: 0; torch.cuda.get_device_capability = lambda device=None: (9, 0);"
    "print([triton_fault(torch.device('cpu')) for _ in range(2)])"
)


def test_a_launcher_that_cannot_be_built_is_named(tmp_path: Path) -> None:
    folders = {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_LIBCUDA_PATH": str(tmp_path)}
    for compiler, sentence in (
        ({"PATH": "", "CC": ""}, "no C compiler is installed: install gcc"),
        ({"CC": shutil.which("false") or ""}, "the C compiler failed; it needs Python's headers"),
    ):
        done = python(f"import os; os.environ['CC'] or os.environ.pop('CC'); {FAKE}", **folders, **compiler)
        assert done.stdout.count(sentence) == 2, done.stderr


def test_torch_takes_over_where_triton_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Mock(return_value="no C compiler")
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(backends, "_faults", [])
    monkeypatch.setattr(backends, "_probe", probe)
    cuda = torch.device("cuda")
    with pytest.warns(RuntimeWarning, match=r"Triton cannot run here \(no C compiler\)"):
        assert kernels.resolve_backend("auto", cuda) == "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernels.resolve_backend("auto", cuda) == "torch"
        with pytest.raises(RuntimeError, match="cannot run here: no C compiler; or use backend='torch'"):
            kernels.resolve_backend("triton", cuda)
    probe.assert_called_once_with(cuda)


def test_the_probe_launches_a_kernel() -> None:
    """Here in the interpreter; and anything that goes wrong is one line."""
    assert backends._probe(DEVICE) == ""
    assert "\n" not in backends._probe(torch.device("meta"))
    compiled = torch.compile(lambda x: x + len(triton_fault(DEVICE)), fullgraph=True, backend="eager")
    assert compiled(torch.ones(1)) == 1


def test_launches_are_counted_by_op_and_backend() -> None:
    case = make_case(5, 40)
    kernels.reset_launches()
    kernels.masked_softmax(case.logits, legal=case.legal, backend="triton")
    assert kernels.launches() == {"pack_legal.triton": 1, "masked_softmax.triton": 1}
    kernels.masked_softmax(case.logits, legal=case.legal, backend="torch")
    assert sum(kernels.launches().values()) == 4
    assert kernels.resolve_backend("auto", torch.device("cpu")) == "torch"
    assert kernels.resolve_backend("torch", torch.device("cuda")) == "torch"
    # float32 takes the loops; half types and float64 take PyTorch's operators.
    for dtype, kind in ((torch.float32, "numba"), (torch.float64, "torch"), (torch.bfloat16, "torch")):
        case = make_case(5, 40, dtype)
        kernels.reset_launches()
        kernels.masked_entropy(case.logits.cpu(), legal=case.mask.cpu(), backend="torch")
        assert f"policy_terms.{kind}" in kernels.launches()
