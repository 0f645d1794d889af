# mypy: allow-untyped-calls
"""The ops under PyTorch's ways with functions and tensors: defaults, views, tracing, torch.func, forward mode, meta."""

import ast
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_map, tree_map_only

import kernels
from tests.kernels.family import DIFFERENTIABLE, OPS, Case, Op, make_case, same_bits

EVERY = [
    *OPS,
    Op("invalid_mass", lambda c, b: (kernels.invalid_mass(c.soft, legal=c.legal, backend=b),)),
    Op("pack_legal", lambda c, b: (kernels.pack_legal(c.mask, backend=b),)),
    Op("unpack_legal", lambda c, b: (kernels.unpack_legal(c.legal, c.mask.shape[-1], backend=b),)),
]
Fields = dict[str, Any]
every = pytest.mark.parametrize("op", EVERY, ids=lambda op: op.name)
every_differentiable = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
on_a_cpu = pytest.mark.parametrize("path", ["numba", "eager"], indirect=True)


def fields(shift: int = 0, dtype: torch.dtype = torch.float32) -> Fields:
    """Of a case of packed legality, NaN at illegal logits; `shift` orders its rows and scales its logits."""
    case = make_case(5, 9, dtype).each(lambda field: field.roll(shift, 0))
    logits, legal, stored = case.logits * (1 + shift), kernels.pack_legal(case.mask), case.ragged()
    return vars(replace(case, logits=logits, legal=legal, stored=stored))


def call(op: Op, backend: str, given: Fields) -> tuple[Tensor, ...]:
    stored = kernels.RaggedTargets(*given["stored"])  # a trace hands over plain tuples
    return tuple(op.run(Case(**{**given, "stored": stored}), backend))


def finite(op: Op, backend: str, given: Fields) -> Callable[[Tensor], list[Tensor]]:
    """The differentiable results as a function of the logits, with 0 for infinities."""
    return lambda logits: [
        torch.where(one.isfinite(), one, torch.zeros_like(one))
        for one in call(op, backend, {**given, "logits": logits})
        if one.is_floating_point()
    ]


def objective(op: Op, backend: str, given: Fields) -> Callable[[Tensor], Any]:
    """The sum of their squares."""
    return lambda logits: sum(one.square().sum() for one in finite(op, backend, given)(logits))


def everything(op: Op, backend: str, given: Fields) -> list[Tensor]:
    """Results, and the gradient of the objective."""
    logits = given["logits"].clone().requires_grad_()
    gradients = torch.autograd.grad(objective(op, backend, given)(logits), logits) if op.expect else ()
    return [*call(op, backend, given), *gradients]


def test_every_allocation_names_its_dtype_and_device() -> None:
    """Of those that follow PyTorch's defaults otherwise; `new_empty` and its like follow their tensor."""
    makers = {f"torch.{function.__name__}" for function in _device_constructors()} | {"torch.Tensor"}
    nodes = [
        (path, node)
        for path in (Path(__file__).parents[2] / "kernels").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in makers
    ]
    assert len(nodes) > 20
    for path, node in nodes:
        assert {"dtype", "device"} <= {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


@pytest.mark.parametrize("default", [torch.float64, torch.float16, torch.bfloat16, "meta"], ids=str)
@every
def test_other_defaults(op: Op, default: torch.dtype | str, backend: str, request: pytest.FixtureRequest) -> None:
    given = fields()
    want = everything(op, backend, given)
    request.addfinalizer(partial(torch.set_default_dtype, torch.get_default_dtype()))
    torch.set_default_dtype(torch.float32 if isinstance(default, str) else default)
    with torch.device(default) if isinstance(default, str) else nullcontext():
        got = everything(op, backend, given)
    assert same_bits(got, want)


def negated(tensor: Tensor) -> Tensor:
    """The same numbers, as a view whose memory holds their opposites."""
    if tensor.dtype == torch.float32:
        return torch.complex(torch.zeros_like(tensor), -tensor).conj().imag
    return tensor if tensor.dtype in (torch.bool, torch.uint16) else torch._neg_view(-tensor)


@every
def test_views_with_the_negative_bit(op: Op, backend: str) -> None:
    given = fields()
    views: Fields = tree_map_only(Tensor, negated, given)
    assert views["logits"].is_neg()
    assert same_bits(call(op, backend, views), call(op, backend, given))
    if op.expect:
        result = call(op, backend, {**given, "logits": (logits := given["logits"].requires_grad_())})[0]
        incoming = torch.linspace(-1, 1, result.numel(), device=result.device).view(result.shape)
        want = torch.autograd.grad(result, logits, incoming, retain_graph=True)
        for view in (negated(incoming), incoming.to_sparse()):
            assert same_bits(torch.autograd.grad(result, logits, view, retain_graph=True), want)


@pytest.mark.filterwarnings("ignore")  # of constants in the trace, and that tracing goes out of use
@on_a_cpu
@every
def test_a_trace_computes_on_other_values(op: Op, backend: str) -> None:
    first, second = fields(0), fields(1)
    traced = torch.jit.trace(lambda *given: call(op, backend, dict(zip(first, given, strict=True))), (*first.values(),))
    again = Op(op.name, lambda case, _: traced(*{**second, "logits": case.logits}.values()), op.expect)
    assert same_bits(everything(again, backend, second), everything(op, backend, second))


@every
def test_meta_tensors_give_shapes_and_dtypes(op: Op, backend: str) -> None:
    meta: Fields = tree_map_only(Tensor, lambda one: one.to("meta"), fields())
    for got, want in zip(everything(op, backend, meta), everything(op, backend, fields()), strict=True):
        assert (got.device.type, got.shape, got.dtype) == ("meta", want.shape, want.dtype)


CASES = [fields(shift) for shift in range(3)]
BATCH = tree_map(lambda *parts: torch.stack(parts), *CASES)
# Of a function of fields: over the cases, over the first with the logits of each, and over a batch of such batches.
VMAPS: dict[str, Callable[[Callable[[Fields], Any]], Any]] = {
    "every field": lambda f: torch.vmap(f)(BATCH),
    "logits by their last axis": lambda f: torch.vmap(lambda x: f({**CASES[0], "logits": x}), in_dims=2)(
        BATCH["logits"].movedim(0, 2)
    ),
    "vmap": lambda f: [one[0] for one in torch.vmap(torch.vmap(f))(tree_map(lambda one: one[None], BATCH))],
}


@pytest.mark.parametrize("way", VMAPS)
@on_a_cpu
@every
def test_vmap_is_a_loop(op: Op, way: str, backend: str) -> None:
    def together(given: Fields) -> list[Tensor]:
        gradient = torch.func.grad(objective(op, backend, given))
        return [*call(op, backend, given), *([gradient(given["logits"])] if op.expect else [])]

    cases = [{**CASES[0], "logits": case["logits"]} for case in CASES] if "logits" in way else CASES
    alone = [everything(op, backend, case) for case in cases]
    assert same_bits(VMAPS[way](together), map(torch.stack, zip(*alone, strict=True)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@on_a_cpu
@every_differentiable
def test_jacobians_of_every_kind_agree(op: Op, dtype: torch.dtype, backend: str) -> None:
    """`vectorize` takes batched gradients; forward mode takes tangents, or duals under vmap."""
    given = fields(dtype=dtype)
    logits, function = given["logits"], lambda x: tuple(finite(op, backend, given)(x))
    want = torch.autograd.functional.jacobian(function, logits)
    for got in (
        torch.autograd.functional.jacobian(function, logits, vectorize=True),
        torch.autograd.functional.jacobian(function, logits, vectorize=True, strategy="forward-mode"),
        torch.func.jacrev(function)(logits),
        torch.func.jacfwd(function)(logits),
    ):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


@every_differentiable
def test_tangents_at_illegal_logits_are_not_read(op: Op, backend: str) -> None:
    given, found = fields(), []
    for at_illegal in (0.0, math.nan):
        tangent = given["logits"].cos().masked_fill(~given["mask"], at_illegal)
        with forward_ad.dual_level():
            results = finite(op, backend, given)(forward_ad.make_dual(given["logits"], tangent))
            found.append([forward_ad.unpack_dual(one).tangent for one in results])
    assert same_bits(found[1], found[0])
    assert all(one.isfinite().all() and one.any() for one in found[0])


def plain_reverse_over_reverse(f: Callable[[Tensor], Tensor], x: Tensor) -> object:
    leaf = x.clone().requires_grad_()
    gradient = torch.autograd.grad(f(leaf), leaf, create_graph=True)[0]
    return torch.autograd.grad(gradient.square().sum(), leaf)


def forward_over_plain_reverse(f: Callable[[Tensor], Tensor], x: Tensor) -> object:
    with forward_ad.dual_level():
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(f(forward_ad.make_dual(leaf, x)), leaf)


SECOND: dict[str, Callable[[Callable[[Tensor], Any], Tensor], object]] = {
    "reverse over reverse": lambda f, x: torch.func.grad(lambda y: torch.func.grad(f)(y).sum())(x),
    "forward over reverse": lambda f, x: torch.func.jvp(torch.func.grad(f), (x,), (x,)),
    "reverse over forward": lambda f, x: torch.func.grad(lambda y: torch.func.jvp(f, (y,), (x,))[1])(x),
    "forward over forward": lambda f, x: torch.func.jvp(lambda y: torch.func.jvp(f, (y,), (x,))[1], (x,), (x,)),
    "plain reverse over reverse": plain_reverse_over_reverse,
    "forward over plain reverse": forward_over_plain_reverse,
}


@pytest.mark.parametrize("way", SECOND)
@every_differentiable
def test_second_derivatives_of_every_kind_are_refused(op: Op, way: str, backend: str) -> None:
    """Also after a plain sum, where PyTorch's own decorator would let a wrong gradient through."""
    results = finite(op, backend, CASES[0])
    for function in (objective(op, backend, CASES[0]), lambda logits: sum(one.sum() for one in results(logits))):
        with pytest.raises(RuntimeError, match="differentiable once"):
            SECOND[way](function, CASES[0]["logits"])


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)], ids=repr)
def test_numbers_of_every_kind(number: Any) -> None:
    logits, legal, keys = (CASES[0][name] for name in ("logits", "legal", "keys"))
    for function in (
        lambda n: kernels.masked_sample(logits, legal=legal, seed=n, row_keys=keys, temperature=n / 2),
        lambda n: kernels.legal_log_probs(logits, legal=legal, width=n),
        lambda n: [kernels.unpack_legal(legal, n + 6)],
        lambda n: [kernels.masked_log_softmax(logits, legal=legal, fill=n)],
    ):
        assert same_bits(function(number), function(3))
