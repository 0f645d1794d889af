"""Properties that hold whatever the numbers: a row alone, permutations, extremes, threads and forks."""

import os
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import kernels
from kernels.on_numba import batch
from tests.kernels.family import DEVICE, OPS, Case, Op, make_case, run, same_bits


# 40 columns put many rows into a program, 1,880 one, 4,104 a loop over tiles; rows 0 to 4 are the five kinds of row.
@pytest.mark.parametrize("size", [40, *(pytest.param(size, marks=pytest.mark.slow) for size in (1880, 4104))])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_row_alone_equals_the_row_in_a_batch(op: Op, size: int, backend: str) -> None:
    case = make_case(5, size)

    def results_and_gradients(part: Case, upstream: list[Tensor]) -> list[Tensor]:
        logits = part.logits.clone().requires_grad_(op.expect is not None)
        results = list(op.run(part.with_logits(logits), backend))
        smooth = [result for result in results if result.requires_grad]
        return [*results, *(torch.autograd.grad(smooth, logits, upstream) if smooth else ())]

    generator = torch.Generator().manual_seed(1)
    smooth = [result for result in op.run(case, backend) if result.is_floating_point() and op.expect is not None]
    upstream = [torch.randn(result.shape, generator=generator).to(result) for result in smooth]
    together = results_and_gradients(case, upstream)
    for i in range(5):
        alone = results_and_gradients(case.row(i), [g[i : i + 1] for g in upstream])
        assert same_bits((whole[i : i + 1] for whole in together), alone)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_batch_is_its_rows_in_any_order(op: Op, backend: str) -> None:
    case = make_case(37, 72)
    order = torch.randperm(37, generator=torch.Generator().manual_seed(0))
    permuted = op.run(case.each(lambda part: part[order]), backend)
    assert same_bits((whole[order] for whole in op.run(case, backend)), permuted)


FAR = 56_000_000  # between neighbouring columns: the last of 40 lies beyond 2^31 elements


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_columns_beyond_two_billion_elements_are_found(op: Op) -> None:
    """As in transposed logits of many rows. Memory that is not written to is not taken, where this is a CPU."""
    case = make_case(5, 40, torch.float16)
    far = torch.empty(39 * FAR + 5, dtype=torch.float16, device=DEVICE).as_strided((5, 40), (1, FAR)).copy_(case.logits)
    assert same_bits(run(op, case.with_logits(far), "triton"), run(op, case, "triton"))


def test_masks_with_columns_beyond_two_billion_bytes_are_packed() -> None:
    mask = make_case(5, 40).mask
    far = torch.empty(39 * FAR + 5, dtype=torch.bool, device=DEVICE).as_strided((5, 40), (1, FAR)).copy_(mask)
    assert same_bits([kernels.pack_legal(far, backend="triton")], [kernels.pack_legal(mask, backend="triton")])


@pytest.mark.parametrize("scale", [1e-30, 1e4, 3e38])
def test_extremes(scale: float, backend: str) -> None:
    case = make_case(5, 72, poison=0.0)
    logits = case.logits.clamp(-1, 1) * scale
    p = kernels.masked_softmax(logits, legal=case.legal, backend=backend)
    assert p.isfinite().all()
    torch.testing.assert_close(p.sum(1), case.mask.any(1).float(), rtol=0, atol=1e-6)
    assert torch.equal(kernels.invalid_mass(p, legal=case.legal, backend=backend), torch.zeros(5, device=p.device))


def test_one_legal_move_is_certain(backend: str) -> None:
    case = make_case(5, 72)
    one = case.row(1)
    assert float(kernels.masked_softmax(one.logits, legal=one.legal, backend=backend).max()) == 1.0
    assert float(kernels.masked_entropy(one.logits, legal=one.legal, backend=backend)) == 0.0
    sample = kernels.masked_sample(one.logits, legal=one.legal, seed=1, row_keys=one.keys, backend=backend)
    assert (sample.moves.tolist(), sample.log_prob.tolist()) == (one.targets.tolist(), [0.0])


def test_the_gradient_survives_where_p_is_almost_one(backend: str) -> None:
    """In bfloat16 p - 1 would cancel to 0 at p = 0.999; computed in float32 it is rounded once."""
    logits = torch.tensor([[7.0, 0.0, 9.0]], dtype=torch.bfloat16, device=DEVICE, requires_grad=True)
    legal = torch.tensor([[1, 1, 0]], dtype=torch.uint8, device=DEVICE)
    target = torch.zeros(1, dtype=torch.int64, device=DEVICE)
    loss = kernels.masked_cross_entropy(logits, target, legal=legal, backend=backend)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    small = 1 / (1 + torch.tensor(7.0).exp().item())
    assert gradient[0].tolist() == pytest.approx([-small, small, 0.0], rel=8e-3)


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
    together = run(op, case, "torch")
    monkeypatch.setattr(batch, "LEAST_ENTRIES", 10**9)
    assert same_bits(together, run(op, case, "torch"))


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
        os._exit(0 if same_bits([got], [want]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
