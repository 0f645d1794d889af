"""pack_legal and unpack_legal; invalid_mass hides nothing; illegal targets cost infinity."""

import math

import pytest
import torch

import kernels
from tests.kernels.family import DEVICE, make_case
from tests.kernels.test_family import check_packing_and_mass

FORMS = [(size, torch.float32) for size in (1, 5, 8, 31, 32, 33, 64, 72, 1880, 2100, 4100)]
FORMS += [(size, dtype) for size in (5, 72, 4100) for dtype in (torch.float64, torch.bfloat16)]


@pytest.mark.parametrize(("size", "dtype"), FORMS, ids=str)
def test_there_and_back_and_the_sum_over_illegal_entries(size: int, dtype: torch.dtype, backend: str) -> None:
    check_packing_and_mass(make_case(5, size, dtype, poison=None), backend)


def test_leading_dimensions_and_strides(backend: str) -> None:
    mask = torch.rand(2, 3, 40, generator=torch.Generator().manual_seed(0)).to(DEVICE) < 0.5
    words = kernels.pack_legal(mask, backend=backend)
    assert words.shape == (2, 3, 2)
    assert torch.equal(kernels.unpack_legal(words, 40), mask)
    assert torch.equal(kernels.pack_legal(mask.transpose(0, 2)), kernels.pack_legal(mask.transpose(0, 2).contiguous()))
    assert torch.equal(kernels.pack_legal(mask[0, 0]), words[0, 0])
    assert torch.equal(kernels.unpack_legal(words.transpose(0, 1), 40), mask.transpose(0, 1))
    assert kernels.pack_legal(mask[0, :0]).shape == (0, 2)
    assert kernels.unpack_legal(words[0, :0], 40).shape == (0, 40)


@pytest.mark.parametrize("size", [5, 64])
def test_nothing_is_hidden(size: int, backend: str) -> None:
    legal = torch.zeros(5, size, dtype=torch.bool, device=DEVICE)
    legal[:, 0] = True
    p = torch.zeros(5, size, device=DEVICE)
    p[0, 3], p[1, 3], p[2, 1], p[2, 2], p[3, 4] = math.nan, -math.inf, 0.25, -0.25, 1e-45
    p[:, 0] = math.nan  # legal: not this meter's matter
    mass = kernels.invalid_mass(p, legal=legal, backend=backend).tolist()
    assert math.isnan(mass[0])
    assert mass[1:3] == [math.inf, 0.5]
    assert mass[3] > mass[4] == 0


@pytest.mark.parametrize("kind", ["index", "soft", "ragged"])
def test_an_illegal_target_costs_infinity_and_teaches_nothing(kind: str, backend: str) -> None:
    logits = torch.zeros(4, 40, device=DEVICE, requires_grad=True)
    legal = torch.ones(4, 40, dtype=torch.bool, device=DEVICE)
    legal[1, 7] = legal[3] = False
    index, soft = torch.tensor([7, 7, 40, 7], device=DEVICE), torch.zeros(4, 40, device=DEVICE)
    soft[:, 7] = torch.tensor([1.0, 1.0, math.nan, 1.0])
    ragged = kernels.RaggedTargets(torch.arange(5, device=DEVICE), index, torch.ones(4, device=DEVICE))
    targets: dict[str, torch.Tensor | kernels.RaggedTargets] = {"index": index, "soft": soft, "ragged": ragged}
    loss = kernels.masked_cross_entropy(logits, targets[kind], legal=legal, backend=backend)
    want = [math.log(40), math.inf, math.nan if kind == "soft" else math.inf, 0.0]
    assert loss.tolist() == pytest.approx(want, nan_ok=True)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert torch.equal(gradient[[1, 3]], torch.zeros_like(gradient[:2]))
    assert gradient[0].isfinite().all()
    if kind != "soft":
        assert torch.equal(gradient[2], torch.zeros_like(gradient[2]))
