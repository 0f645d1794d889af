"""Every op on every path against float64: widths, dtypes, strides, forms of legality, poison at illegal logits.

At the end Hypothesis draws all of them; the slow suite 4,500 cases an op: 2,000 for the loops, 2,000 for PyTorch's
operators, 500 for the interpreter."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import kernels
from tests.kernels.family import DEVICE, DIFFERENTIABLE, OPS, Case, Op, expected, finish_case, make_case, run, same_bits

# Relative and absolute. Half types round what they store (8 or 11 bits), and the backward of masked_softmax, that one
# alone, starts from the rounded result; per-row results of half-precision logits are float32 and as exact as those of
# float32 logits.
TOLERANCE = {
    torch.float64: (1e-10, 1e-11),
    torch.float32: (2e-5, 4e-6),
    torch.bfloat16: (2e-2, 2e-2),
    torch.float16: (3e-3, 3e-3),
}
FROM_ROUNDED = {**TOLERANCE, torch.bfloat16: (4e-2, 4e-2), torch.float16: (6e-3, 6e-3)}


def check(op: Op, case: Case, backend: str) -> None:
    *results, gradient = run(op, case, backend)
    wanted, wanted_gradient = expected(op, case)
    for result, want in zip(results, wanted, strict=True):
        rtol, atol = TOLERANCE[result.dtype if result.dtype.is_floating_point else torch.float64]
        torch.testing.assert_close(result.cpu().double(), want, rtol=rtol, atol=atol)
    rtol, atol = (FROM_ROUNDED if op.name == "masked_softmax" else TOLERANCE)[gradient.dtype]
    scale = max(1.0, float(wanted_gradient.abs().max()))
    torch.testing.assert_close(gradient.cpu().double(), wanted_gradient, rtol=rtol, atol=atol * scale)
    illegal = gradient[~case.mask]
    assert torch.equal(illegal, torch.zeros_like(illegal))
    assert not illegal.signbit().any()


every_op = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)


# One column, less than a group of 8, around a word of 32, around a tile of 1,024, chess, and wider than a tile.
WIDTHS = [
    (op, size) for op in DIFFERENTIABLE[:2] for size in (1, 2, 7, 31, 33, 218, 1023, 1025, 1880, 2048, 4096, 5000)
]
# The others share their walk over a row: one tile with a tail, chess, and a loop over tiles.
WIDTHS += [(op, size) for op in DIFFERENTIABLE[2:] for size in (33, 1880, 4100)]


@pytest.mark.parametrize(("op", "size"), WIDTHS, ids=[f"{op.name}-{size}" for op, size in WIDTHS])
def test_widths(op: Op, size: int, backend: str) -> None:
    check(op, make_case(5, size, seed=size), backend)


# 72 is whole groups of 8 (the aligned loads), 70 is not.
@pytest.mark.parametrize("size", [70, 72])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
@every_op
def test_dtypes(op: Op, dtype: torch.dtype, size: int, backend: str) -> None:
    check(op, make_case(7, size, dtype), backend)


# Parts of a wider tensor that is NaN elsewhere, or transposed.
LAYOUTS: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "columns of a wider matrix": lambda x, rows, size: x.new_full((rows, size + 24), torch.nan)[:, 8 : 8 + size],
    "unaligned": lambda x, rows, size: x.new_full((rows, size + 3), torch.nan)[:, 1 : 1 + size],
    "transposed": lambda x, rows, size: x.new_empty(size, rows).t(),
    "every second row and column": lambda x, rows, size: x.new_full((2 * rows, 2 * size), torch.nan)[::2, ::2],
}


def strided(x: Tensor, layout: str) -> Tensor:
    return LAYOUTS[layout](x, *x.shape).copy_(x)


@pytest.mark.parametrize("layout", LAYOUTS)
@every_op
def test_strides(op: Op, layout: str, backend: str) -> None:
    case = make_case(6, 72)
    check(op, case.with_logits(strided(case.logits, layout)), backend)


@every_op
def test_one_row_for_all(op: Op, backend: str) -> None:
    """Stride 0, in the logits and in the legality."""
    case = make_case(4, 72).each(lambda part: part[3:4].expand_as(part))
    case.legal = case.mask[:1]
    check(op, case, backend)


def _spare_bits_set(mask: Tensor) -> Tensor:
    words = kernels.pack_legal(mask)
    words[:, -1] |= -(1 << mask.shape[1] % 32)
    return words


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "uint8 of any nonzero value": lambda mask: mask.to(torch.uint8) * 254,
    "packed": kernels.pack_legal,
    "packed, spare bits set": _spare_bits_set,
    "packed, words transposed": lambda mask: kernels.pack_legal(mask).t().contiguous().t(),
    "bool, transposed": lambda mask: mask.t().contiguous().t(),
}


@pytest.mark.parametrize("form", FORMS)
@every_op
def test_forms_of_legality(op: Op, form: str, backend: str) -> None:
    case = make_case(5, 70)
    reference = run(op, case, backend)
    case.legal = FORMS[form](case.mask)
    assert same_bits(run(op, case, backend), reference)


@every_op
def test_gradients_of_any_layout(op: Op, backend: str) -> None:
    """Gradients arrive expanded (after a sum), transposed or as a slice; all give what a contiguous one gives."""
    case = make_case(5, 72)
    logits = case.logits.clone().requires_grad_()
    result = op.run(case.with_logits(logits), backend)[0]
    plain = torch.linspace(-1, 1, result.numel(), device=result.device).view(result.shape).to(result.dtype)
    layouts = plain.t().contiguous().t(), torch.stack([plain, plain], -1)[..., 0], plain.new_ones(()).expand_as(plain)
    for layout in layouts:
        contiguous = layout.clone(memory_format=torch.contiguous_format)
        got, want = (torch.autograd.grad(result, logits, g, retain_graph=True)[0] for g in (layout, contiguous))
        assert torch.equal(got, want)


@every_op
def test_empty_batch(op: Op, backend: str) -> None:
    case = make_case(5, 33).each(lambda x: x[:0])
    assert all(len(result) == 0 for result in op.run(case.with_logits(case.logits.clone().requires_grad_()), backend))


def test_the_loops_round_once() -> None:
    """Their exponential is exact to float64's own error, so a probability is off by half a unit of float32 at most."""
    logits = torch.linspace(-80, 0, 20_001)[None]
    p = kernels.masked_softmax(logits, legal=torch.ones_like(logits, dtype=torch.bool), backend="torch")
    torch.testing.assert_close(p.double(), logits.double().softmax(1), rtol=2**-24 * 1.001, atol=0)


@st.composite
def cases(draw: st.DrawFn, widest: int) -> Case:
    rows = draw(st.integers(1, 6))
    size = draw(st.one_of(st.integers(1, 70), st.integers(1, widest)))
    dtype = draw(st.sampled_from([torch.float32, torch.float32, torch.float64, torch.bfloat16, torch.float16]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0]))
    mask = torch.rand(rows, size, generator=generator) < share
    if draw(st.booleans()):
        mask[draw(st.integers(0, rows - 1)), draw(st.integers(0, size - 1))] = True
    logits = draw(st.sampled_from([0.01, 1.0, 5.0])) * torch.randn(rows, size, generator=generator)
    poison = draw(st.sampled_from([math.nan, math.inf, -math.inf, 1e38, 0.0]))
    case = finish_case(logits, mask, dtype, generator, poison)
    layout = draw(st.sampled_from(["contiguous", *LAYOUTS]))
    if layout != "contiguous":
        case = case.with_logits(strided(case.logits, layout))
    form = draw(st.sampled_from(["bool", "uint8", "transposed"]))
    if form == "uint8":
        case.legal = case.mask.to(torch.uint8) * 7
    elif form == "transposed":
        case.legal = case.mask.t().contiguous().t()
    return case


QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors)
# Reproducible from run to run: a failure here must be a failure everywhere.
few = settings(max_examples=6, deadline=None, suppress_health_check=QUIET, derandomize=True, database=None)
Check = Callable[[Case, str], None]


def check_any(op: Op, case: Case, backend: str) -> None:
    """Results and gradients against float64; or, without a gradient, choices: legal or -1, whatever the poison."""
    if op.expect is not None:
        check(op, case, backend)
        return
    results = run(op, case, backend)
    clean = case.with_logits(torch.where(case.mask, case.logits, 0.0))
    clean.legal = case.mask
    assert same_bits(results, run(op, clean, backend))
    chosen = results[0][:, None]
    legal = torch.cat([case.mask, torch.ones(len(chosen), 1, dtype=torch.bool, device=DEVICE)], 1)
    assert legal.gather(1, torch.where(chosen < 0, case.mask.shape[1], chosen)).all()
    assert torch.equal(chosen[:, 0] >= 0, case.mask.any(1))


def check_packing_and_mass(case: Case, backend: str) -> None:
    """invalid_mass is the sum of what stands at illegal entries; words are what NumPy packs, and back again."""
    mass = kernels.invalid_mass(case.logits, legal=case.legal, backend=backend)
    want = torch.where(case.mask, 0.0, case.logits.double().abs()).sum(1)
    want = want if case.logits.dtype == torch.float64 else want.float()
    torch.testing.assert_close(mass, want, rtol=1e-5, atol=1e-30, equal_nan=True)
    words = kernels.pack_legal(case.legal, backend=backend)
    rows, size = case.mask.shape
    assert (words.dtype, words.shape) == (torch.int32, (rows, kernels.words_for(size)))
    padded = np.zeros((rows, 4 * -(-size // 32)), dtype=np.uint8)
    padded[:, : (size + 7) // 8] = np.packbits(case.mask.cpu().numpy(), axis=1, bitorder="little")
    assert np.array_equal(words.cpu().numpy(), padded.view("<i4"))
    assert torch.equal(kernels.unpack_legal(words, size, backend=backend), case.mask)


CHECKS = {op.name: partial(check_any, op) for op in OPS} | {"packing and mass": check_packing_and_mass}
every_check = pytest.mark.parametrize("check_case", CHECKS.values(), ids=list(CHECKS))


@every_check
@few
@given(case=cases(widest=200))
def test_any_case(check_case: Check, backend: str, case: Case) -> None:
    check_case(case, backend)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", ["numba", "eager"], indirect=True)
@every_check
@settings(few, max_examples=2000)
@given(case=cases(widest=600))
def test_two_thousand_cases(check_case: Check, backend: str, case: Case) -> None:
    check_case(case, backend)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", ["triton"], indirect=True)
@every_check
@settings(few, max_examples=500)  # the interpreter takes ten times as long
@given(case=cases(widest=200))
def test_five_hundred_cases_interpreted(check_case: Check, backend: str, case: Case) -> None:
    check_case(case, backend)
