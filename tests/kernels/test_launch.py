"""Launches: the second one of a kind goes straight to the compiled kernel, and a kind is what Triton takes for one."""

import itertools
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from kernels.on_triton import launch
from tests.kernels.family import DEVICE


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The compiled kernel that a launch in Python gives, with nothing remembered."""
    monkeypatch.setattr(launch, "_compiled", {})
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", lambda index: 7, raising=False)
    return Mock(function="function", packed_metadata="metadata")


class Kernel:
    """Counts its launches in Python."""

    def __init__(self, compiled: Mock) -> None:
        self.calls = Mock(return_value=compiled)

    def __getitem__(self, grid: tuple[int, int]) -> Mock:
        return self.calls


def run(kernel: Kernel, *arguments: Any, R: int = 1, dtype: torch.dtype = torch.float32, wide: bool = True) -> int:
    """Launch once; launches in Python so far."""
    launch.launch(kernel, launch.Tile(R, 3, 8), dtype, *arguments, WIDE=wide)
    return int(kernel.calls.call_count)


def test_a_second_launch_needs_no_python(compiled: Mock) -> None:
    kernel, x, y = Kernel(compiled), torch.zeros(5, 40, device=DEVICE), torch.zeros(9, 40, device=DEVICE)
    assert [run(kernel, rows, len(rows), 0.5, R=2) for rows in (x, y, x)] == [1, 1, 1]
    assert kernel.calls.call_args.args == (x, 5, 0.5)
    assert {"R": 2, "G": 3, "V": 8, "WIDE": True}.items() <= kernel.calls.call_args.kwargs.items()
    handles = 7, "function", "metadata", None, None, None
    assert [call.args for call in compiled.run.call_args_list] == [
        (5, 1, 1, *handles, y.data_ptr(), 9, 0.5, *[None] * 5),
        (3, 1, 1, *handles, x.data_ptr(), 5, 0.5, *[None] * 5),
    ]


def test_launches_of_a_kind_are_what_triton_specialises_alike(compiled: Mock) -> None:
    from triton._C.libtriton import native_specialize_impl
    from triton.backends.compiler import BaseBackend

    memory = torch.zeros(4, 64, device=DEVICE)
    tensors = memory, memory[:, 1:], memory[:, 4:], memory.half(), memory.half()[:, 1:], memory.int()
    values: list[Any] = [*tensors, 0, 1, 2, 16, 24, 2**31 - 1, 2**31, 2**31 + 1, 2**40, -1, -(2**31) - 16, 0.0, 1.0]
    special = [native_specialize_impl(BaseBackend, value, False, True, True) for value in values]
    assert len(set(special)) > 8
    for (one, kind), (other, other_kind) in itertools.combinations(zip(values, special, strict=True), 2):
        kernel = Kernel(compiled)
        launch._compiled.clear()  # a number that stands for one kernel may stand for the next
        run(kernel, memory, one)
        assert run(kernel, memory, other) == 1 + (kind != other_kind), (one, other)


def test_other_constants_and_a_listener_are_launches_of_their_own(
    compiled: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import triton

    kernel, rows = Kernel(compiled), torch.zeros(5, 40, device=DEVICE)
    for R, dtype, wide in itertools.product((1, 2), (torch.float32, torch.float64), (True, False)):
        found = run(kernel, rows, R=R, dtype=dtype, wide=wide)
    assert (found, run(kernel, rows)) == (8, 8)
    monkeypatch.setattr(triton.knobs.runtime, "launch_enter_hook", lambda metadata: None)
    assert run(kernel, rows) == 9
