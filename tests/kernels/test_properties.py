"""Hypothesis draws shapes, strides, dtypes, legality and poison, and compares every op with float64.

The slow suite draws 4,500 cases an op: 2,000 for the loops, 2,000 for PyTorch's operators, 500 for the interpreter."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kernels
from tests.kernels.family import DEVICE, OPS, Case, Op, finish_case, run, same_bits
from tests.kernels.test_family import LAYOUTS, check, strided


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
