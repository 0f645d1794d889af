"""A batch shared between threads gives what one thread gives, also in a forked child."""

import os
from collections.abc import Iterator

import pytest
import torch

import kernels
from kernels.on_numba import batch
from tests.kernels.family import OPS, Op, make_case, run
from tests.kernels.test_failures import same_bits


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(batch, "LEAST_ENTRIES", 100)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_two_threads_give_what_one_gives(op: Op, two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(40, 72).each(torch.Tensor.cpu)
    results, gradient = run(op, case, "torch")
    monkeypatch.setattr(batch, "LEAST_ENTRIES", 10**9)
    alone, alone_gradient = run(op, case, "torch")
    assert all(same_bits(a, b) for a, b in zip(results, alone, strict=True))
    assert gradient is None or same_bits(gradient, alone_gradient)


def test_causal_rows_keep_their_place(two_threads: None) -> None:
    scores = torch.randn(2, 9, 40)
    p = kernels.masked_softmax(scores, legal=torch.ones(40, dtype=torch.bool), causal=True, backend="torch")
    above = torch.arange(40) > torch.arange(9)[:, None]
    torch.testing.assert_close(p, scores.masked_fill(above, -torch.inf).softmax(-1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_threads_of_its_own(two_threads: None) -> None:
    case = make_case(11, 72).each(torch.Tensor.cpu)
    want = kernels.masked_softmax(case.logits, legal=case.legal, backend="torch")
    child = os.fork()
    if child == 0:
        got = kernels.masked_softmax(case.logits, legal=case.legal, backend="torch")
        os._exit(0 if same_bits(got, want) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
