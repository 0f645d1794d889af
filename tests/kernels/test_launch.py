"""Launches: the second one of a kind goes straight to the compiled kernel, and a kind is what Triton takes for one."""

import itertools
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from kernels.on_triton import launch, softmax
from tests.kernels.family import DEVICE


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The compiled kernel that a launch in Python gives, with nothing remembered."""
    monkeypatch.setattr(launch, "_compiled", {})
    monkeypatch.setattr(launch, "_forms", {})
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
    tensors = [argument for argument in arguments if isinstance(argument, torch.Tensor)]
    launch.launch(kernel, launch.Tile(R, 3, 8), dtype, tensors, *arguments[len(tensors) :], WIDE=wide)
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


def test_a_form_is_repeated_with_other_tensors(compiled: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the same launch the long way; not for tensors that are not aligned, nor where a profiler listens."""
    import triton

    kernel, memory = Kernel(compiled), torch.zeros(6, 64, device=DEVICE)
    x, y, odd = memory[:2], memory[2:4], memory[4:, 1:]

    def known(rows: torch.Tensor) -> bool:
        found = launch.repeat(("form",), [rows])
        if not found:
            launch.launch(kernel, launch.Tile(1, 8, 8), rows.dtype, [rows], 2, 0.5, form=("form",), WIDE=True)
        return found

    # Compiled, straight, repeated; an address that is not aligned has no form.
    assert [known(rows) for rows in (odd, odd, x, x, y, odd, y)] == [False] * 4 + [True, False, True]
    sent = [call.args for call in compiled.run.call_args_list]
    assert [args[9] for args in sent] == [rows.data_ptr() for rows in (odd, x, y, odd, y)]
    assert all(args[:9] + args[10:] == sent[0][:9] + sent[0][10:] for args in sent)
    monkeypatch.setattr(triton.knobs.runtime, "launch_enter_hook", lambda metadata: None)
    assert not known(x)


def test_softmax_repeats_only_what_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever changes the launch changes the form."""
    launches: dict[Any, Any] = {}

    def collect(kernel: Any, tile: Any, dtype: Any, tensors: Any, *numbers: Any, form: Any, **constants: Any) -> None:
        made = tile, dtype, [each.dtype for each in tensors], numbers, constants
        assert launches.setdefault(form, made) == made

    monkeypatch.setattr(softmax, "launch", collect)
    wide, half = torch.zeros(8, 96), torch.zeros(8, 96).bfloat16()
    for logits in (
        wide,
        wide[::2],
        wide[:4],
        wide[:, :64],
        wide[:, ::2],
        wide.T[:64],
        half,
        half[:, :64],
        wide.double(),
    ):
        count, words = logits.shape[0], torch.zeros(1, -(-logits.shape[1] // 32), dtype=torch.int32)
        for legal, period in itertools.product((words.expand(count, -1), words.repeat(count, 1)), (0, 2)):
            for dtype in (logits.dtype, torch.float32):
                softmax.masked_softmax(logits, legal, period, dtype)
                softmax.masked_log_softmax(logits, legal, period, -1.0, dtype)
    assert len(launches) > 50
