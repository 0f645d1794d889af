"""invalid_mass hides nothing, and illegal targets cost infinity."""

from __future__ import annotations

import math

import pytest
import torch

import kernels
from tests.kernels.family import DEVICE, make_case


@pytest.mark.parametrize("size", [5, 72, 4100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_sum_over_illegal_entries(size: int, dtype: torch.dtype, backend: str) -> None:
    case = make_case(5, size, poison=None)
    p = case.logits.to(dtype)
    mass = kernels.invalid_mass(p, legal=case.legal, backend=backend)
    want = torch.where(case.mask, 0.0, p.double().abs()).sum(1)
    torch.testing.assert_close(mass.double(), want, rtol=1e-5, atol=0)
    assert mass.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("size", [5, 64])
def test_nothing_is_hidden(size: int, backend: str) -> None:
    legal = torch.zeros(5, size, dtype=torch.bool, device=DEVICE)
    legal[:, 0] = True
    p = torch.zeros(5, size, device=DEVICE)
    p[0, 3], p[1, 3], p[2, 1], p[2, 2], p[3, 4] = math.nan, -math.inf, 0.25, -0.25, 1e-45
    p[:, 0] = math.nan  # legal: not this meter's matter
    mass = kernels.invalid_mass(p, legal=legal, backend=backend).tolist()
    assert math.isnan(mass[0])
    assert mass[1] == math.inf
    assert mass[2] == 0.5
    assert mass[3] > 0
    assert mass[4] == 0


@pytest.mark.parametrize("kind", ["index", "soft", "ragged"])
def test_an_illegal_target_costs_infinity_and_teaches_nothing(kind: str, backend: str) -> None:
    logits = torch.zeros(4, 40, device=DEVICE, requires_grad=True)
    legal = torch.ones(4, 40, dtype=torch.bool, device=DEVICE)
    legal[1, 7] = legal[3] = False
    index = torch.tensor([7, 7, 40, 7], device=DEVICE)
    targets: torch.Tensor | kernels.RaggedTargets = index
    want = [math.log(40), math.inf, math.inf, 0.0]
    if kind == "soft":
        targets = torch.zeros(4, 40, device=DEVICE)
        targets[:, 7] = 1.0
        targets[2, 7] = math.nan
        want[2] = math.nan
    if kind == "ragged":
        targets = kernels.RaggedTargets(torch.arange(5, device=DEVICE), index, torch.ones(4, device=DEVICE))
    loss = kernels.masked_cross_entropy(logits, targets, legal=legal, backend=backend)
    assert loss.tolist() == pytest.approx(want, nan_ok=True)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert torch.equal(gradient[[1, 3]], torch.zeros_like(gradient[:2]))
    assert gradient[0].isfinite().all()
    if kind != "soft":
        assert torch.equal(gradient[2], torch.zeros_like(gradient[2]))
