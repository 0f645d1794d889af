"""The ops as PyTorch sees them: opcheck, compilation, export, autocast, double backward."""

from typing import Any

import pytest
import torch
from torch import Tensor

import kernels
from tests.kernels.family import DEVICE, make_case

OPERATORS = torch.ops.zeromass


def calls() -> dict[str, tuple[Any, ...]]:
    """A call of each registered operator (and form of targets); logits require grad where the op has a derivative."""
    case = make_case(5, 40, poison=0.0)
    logits, words = case.logits.requires_grad_(), kernels.pack_legal(case.mask)
    plain = logits.detach()
    value, known = torch.zeros(5, device=DEVICE), torch.ones(5, dtype=torch.bool, device=DEVICE)
    moves = case.targets.clamp(min=0)
    offsets, indices, masses = case.ragged()
    forms = {"index": [moves], "dense": [case.soft], "ragged": [indices, offsets, masses]}
    p = kernels.masked_softmax(plain, legal=words)
    columns = torch.zeros(5, 6, dtype=torch.int32, device=DEVICE)
    return {
        "pack_legal": (case.mask.view(torch.uint8), "torch"),
        "unpack_legal": (words, 40, "torch"),
        "masked_softmax": (logits, words, 0, torch.float32, "torch"),
        "masked_softmax_backward": (p, p, words, 0, torch.float32, "torch"),
        "masked_log_softmax": (logits, words, 5, -1.0, torch.float32, "torch"),
        "masked_log_softmax_backward": (p, plain, words, value, value, 5, "torch"),
        "policy_terms": (logits, words, moves, "torch"),
        "policy_terms_backward": (value, value, plain, words, moves, value, value, value, "torch"),
        **{f"cross_entropy, {form}": (logits, words, given, "torch") for form, given in forms.items()},
        **{
            f"cross_entropy_backward, {form}": (value, plain, words, given, [value, value, known], "torch")
            for form, given in forms.items()
        },
        "masked_sample": (plain, words, 3, case.keys, 0.5, "torch"),
        "legal_log_probs": (logits, words, 6, "torch"),
        "legal_log_probs_backward": (torch.zeros(5, 6, device=DEVICE), columns, plain, words, value, value, "torch"),
        "invalid_mass": (p, words, "torch"),
    }


def test_every_registered_operator_is_called_here() -> None:
    names = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("zeromass::")]
    assert {name.split("::")[1].split(".")[0] for name in names} == {name.split(",")[0] for name in calls()}


@pytest.mark.parametrize("path", ["numba", "eager", pytest.param("triton", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("name", list(calls()))
def test_opcheck(name: str, path: str, backend: str) -> None:
    arguments = tuple(backend if argument == "torch" else argument for argument in calls()[name])
    torch.library.opcheck(getattr(OPERATORS, name.split(",")[0]).default, arguments)


def policy_loss(logits: Tensor, case_legal: Tensor, moves: Tensor, advantage: Tensor) -> Tensor:
    terms = kernels.masked_policy_terms(logits, moves, legal=case_legal)
    supervised = kernels.masked_cross_entropy(logits, moves, legal=case_legal)
    p = kernels.masked_softmax(logits, legal=case_legal)
    return (
        (-advantage * terms.log_prob - 0.01 * terms.entropy + supervised + p.square().sum(1)).mean()
        + terms.top1.float().mean()
        + kernels.invalid_mass(p, legal=case_legal).max()
    )


@pytest.mark.parametrize("compiler", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_policy_step_compiles_without_a_graph_break(compiler: str, packed: bool) -> None:
    case = make_case(6, 72, poison=0.0)
    legal = kernels.pack_legal(case.mask) if packed else case.mask
    moves, advantage = case.targets, torch.linspace(-1, 1, 6, device=DEVICE)
    logits = case.logits.requires_grad_()
    loss = policy_loss(logits, legal, moves, advantage)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch._dynamo.reset()
    step = torch.compile(policy_loss, fullgraph=True, backend=compiler)
    compiled_loss = step(logits, legal, moves, advantage)
    (compiled_gradient,) = torch.autograd.grad(compiled_loss, logits)
    torch.testing.assert_close(compiled_loss, loss)
    torch.testing.assert_close(compiled_gradient, gradient, rtol=1e-6, atol=1e-9)


def test_sampling_compiles_with_any_batch() -> None:
    torch._dynamo.reset()

    def play(logits: Tensor, legal: Tensor, keys: Tensor) -> tuple[Tensor, ...]:
        return (
            *kernels.masked_sample(logits, legal=legal, seed=1, row_keys=keys),
            *kernels.legal_log_probs(logits, legal=legal, width=9),
            kernels.masked_log_softmax(logits, legal=legal, fill=-9.0),
        )

    compiled = torch.compile(play, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (5, 9):
        case = make_case(rows, 72)
        given = case.logits, case.mask, case.keys
        assert all(torch.equal(got, want) for got, want in zip(compiled(*given), play(*given), strict=True))


def test_export_keeps_the_operator() -> None:
    class Head(torch.nn.Module):
        def forward(self, logits: Tensor, legal: Tensor) -> Tensor:
            return kernels.masked_softmax(logits, legal=legal)

    case = make_case(5, 72)
    program = torch.export.export(Head(), (case.logits, case.mask))
    assert "zeromass.masked_softmax" in str(program.graph)
    assert torch.equal(program.module()(case.logits, case.mask), Head()(case.logits, case.mask))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_gives_float32(dtype: torch.dtype, backend: str) -> None:
    """As PyTorch's softmax does; the gradient comes back in the dtype of the logits."""
    case = make_case(5, 72, dtype)
    logits = case.logits.requires_grad_()
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        p = kernels.masked_softmax(logits, legal=case.legal, backend=backend)
        logp = kernels.masked_log_softmax(logits, legal=case.legal, fill=0.0, backend=backend)
    assert p.dtype == logp.dtype == torch.float32
    (gradient,) = torch.autograd.grad((p[:, 3] + 0.1 * logp[:, 5]).sum(), logits)
    assert gradient.dtype == dtype
    exact = logits.detach().float().requires_grad_()
    q = kernels.masked_softmax(exact, legal=case.legal, backend=backend)
    torch.testing.assert_close(p, q)  # on a CPU the two dtypes take different paths
    logq = kernels.masked_log_softmax(exact, legal=case.legal, fill=0.0, backend=backend)
    (want,) = torch.autograd.grad((q[:, 3] + 0.1 * logq[:, 5]).sum(), exact)
    torch.testing.assert_close(gradient.float(), want, rtol=1e-2, atol=1e-4)


def test_a_profiler_sees_the_operators() -> None:
    """Eager calls pass by the dispatcher, unless something watches it."""
    case = make_case(5, 40)
    with torch.profiler.profile() as seen:
        kernels.masked_softmax(case.logits, legal=case.legal)
    assert "zeromass::masked_softmax" in {event.key for event in seen.key_averages()}
