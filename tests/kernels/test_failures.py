"""One test for each way in which masked softmaxes went wrong elsewhere, forward and backward, on every path.

The names are those failures; docs/masking.md says where each was seen."""

import math

import pytest
import torch
from torch import Tensor

import kernels
from tests.kernels.family import DEVICE, OPS, Op, finish_case, make_case, run, same_bits


def bools(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool, device=DEVICE)


def floats(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, device=DEVICE)


def both(logits: Tensor, legal: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    """Softmax, and the gradient of its first column's sum."""
    logits = logits.detach().requires_grad_()
    p = kernels.masked_softmax(logits, legal=legal, backend=backend)
    return p.detach(), torch.autograd.grad(p[:, 0].sum(), logits)[0]


def test_empty_row_gives_nan_and_poisons_shared_weights(backend: str) -> None:
    """Each op's results and gradient of such a row are among those of test_family."""
    case = make_case(5, 40)  # its first row has no legal entry
    weights = torch.randn(3, 40, device=DEVICE, requires_grad=True)
    shared = torch.randn(5, 3, device=DEVICE) @ weights
    entropy = kernels.masked_entropy(shared, legal=case.legal, backend=backend)
    assert torch.autograd.grad(entropy.sum(), weights)[0].isfinite().all()
    p = kernels.masked_softmax(case.logits, legal=torch.zeros_like(case.mask), backend=backend)
    assert torch.equal(p, torch.zeros(5, 40, device=DEVICE))


@pytest.mark.parametrize("size", [64, 8200])  # a slice is a group, or a whole tile of a wide row
def test_a_slice_of_minus_infinity_gives_nan_in_a_valid_row(size: int, backend: str) -> None:
    mask = torch.zeros(1, size, dtype=torch.bool)
    mask[0, -3:] = True
    case = finish_case(torch.randn(1, size), mask, torch.float32, torch.Generator().manual_seed(1), -math.inf)
    p, gradient = both(case.logits, case.legal, backend)
    assert p.isfinite().all()
    assert float(p.sum()) == pytest.approx(1.0)
    assert gradient.isfinite().all()
    # The same where the slice is legal, and -inf by itself: probability 0 is not undefined.
    p, gradient = both(case.logits, torch.ones_like(case.mask), backend)
    assert p.isfinite().all()
    assert torch.equal(p[0, :-3], torch.zeros_like(p[0, :-3]))
    assert gradient.isfinite().all()


@pytest.mark.parametrize("level", [-1e4, -1e9, -3e38])
def test_finite_sentinels_hide_real_logits(level: float, backend: str) -> None:
    """Legal logits far below any sentinel still decide; an empty row is not uniform."""
    legal = bools([[1, 1, 0, 0], [0, 0, 0, 0]])
    p, gradient = both(floats([[level, level, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0]]), legal, backend)
    assert p.tolist() == [[0.5, 0.5, 0.0, 0.0], [0.0] * 4]
    assert gradient.tolist() == [[0.25, -0.25, 0.0, 0.0], [0.0] * 4]
    half = torch.full((1, 4), -6e4, dtype=torch.float16, device=DEVICE)
    assert kernels.masked_softmax(half, legal=legal[:1], backend=backend).tolist() == [[0.5, 0.5, 0.0, 0.0]]


def test_the_maximum_over_illegal_logits_costs_accuracy(backend: str) -> None:
    """An untrained illegal logit of 200 would underflow every legal one to 0."""
    legal = bools([[1, 1, 1, 0]])
    low, low_gradient = both(floats([[0.3, -0.4, 1.2, 0.0]]), legal, backend)
    high, high_gradient = both(floats([[0.3, -0.4, 1.2, 200.0]]), legal, backend)
    assert torch.equal(low, high)
    assert torch.equal(low_gradient, high_gradient)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, 1e38])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_nan_or_infinity_at_an_illegal_logit_leaks(op: Op, poison: float, backend: str) -> None:
    """Poison invariance: whatever stands there leaves every output and gradient bit as it was."""
    size = 72 if math.isnan(poison) or poison == 1e38 else 70  # whole groups, which are loaded whole; or not
    clean = run(op, make_case(6, size, poison=0.0), backend)
    assert same_bits(run(op, make_case(6, size, poison=poison), backend), clean)


def test_entropy_multiplies_zero_by_minus_infinity(backend: str) -> None:
    """Neither in the value nor in the gradient, whether a zero comes from the mask or from a legal -inf."""
    logits = floats([[0.0, 0.0, -math.inf, 7.0], [0.0, -300.0, -math.inf, 7.0]]).requires_grad_()
    legal = bools([[1, 1, 1, 0], [1, 1, 1, 0]])
    entropy = kernels.masked_entropy(logits, legal=legal, backend=backend)
    assert entropy.tolist() == pytest.approx([math.log(2), 0.0], abs=1e-6)
    (gradient,) = torch.autograd.grad(entropy.sum(), logits)
    assert gradient.isfinite().all()
    assert torch.equal(gradient[:, 2:], torch.zeros_like(gradient[:, 2:]))


def test_cached_probabilities_drift_off_the_simplex(backend: str) -> None:
    """Rows sum to 1 within float32's rounding, half-precision logits or not, and log-probabilities agree."""
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        case = make_case(40, 300, dtype)
        logp = kernels.masked_policy_terms(case.logits, case.targets, legal=case.legal, backend=backend).log_prob
        exact = kernels.masked_softmax(case.logits.float(), legal=case.legal, backend=backend)
        some = case.mask.any(1)
        torch.testing.assert_close(exact.sum(1)[some], torch.ones_like(logp[some]), rtol=0, atol=1e-6)
        taken = exact.gather(1, case.targets.clamp(min=0)[:, None]).squeeze(1)
        torch.testing.assert_close(logp.exp()[some], taken[some], rtol=1e-5, atol=1e-7)
        torch.distributions.Categorical(probs=exact[some])  # its Simplex check raises on drift


def test_a_zero_probability_index_is_sampled(backend: str) -> None:
    """Neither an illegal one nor a legal one at -inf, also where the only other choice is a far lower logit."""
    logits = floats([[math.inf, -math.inf, -80.0, 0.0, math.nan]]).expand(400, 5)
    legal, keys = bools([[0, 1, 1, 1, 0]]).expand(400, 5), torch.arange(400, device=DEVICE)
    sample = kernels.masked_sample(logits, legal=legal, seed=1, row_keys=keys, temperature=25.0, backend=backend)
    assert set(sample.moves.tolist()) == {2, 3}
    assert sample.log_prob.isfinite().all()


def test_infinite_noise_picks_an_invalid_index(backend: str) -> None:
    """One legal lane wins whatever its noise is; that it is finite for every pattern of bits: test_masked_sample."""
    logits, keys = floats([[-3e38, math.inf]]).expand(200, 2), torch.arange(200, device=DEVICE)
    sample = kernels.masked_sample(logits, legal=bools([[1, 0]]), seed=3, row_keys=keys, backend=backend)
    assert not sample.moves.any()


@pytest.mark.parametrize("bad", [[math.nan, 0.0], [math.inf, 0.0], [-math.inf, -math.inf], [math.nan, math.nan]])
def test_a_maximum_drops_nan(bad: list[float], backend: str) -> None:
    """NaN among the legal logits is NaN in the row: no finite and no out-of-range answer."""
    logits, legal = floats([[*bad, 3.0], [0.0, 0.0, 3.0]]), bools([[1, 1, 0], [1, 1, 0]])
    p, gradient = both(logits, legal, backend)
    assert p[0, :2].isnan().all()
    assert gradient[0, :2].isnan().all()
    assert float(p[0, 2]) == float(gradient[0, 2]) == 0.0
    assert p[1].tolist() == [0.5, 0.5, 0.0]
    keys, targets = torch.arange(2, device=DEVICE), torch.zeros(2, dtype=torch.int64, device=DEVICE)
    terms = kernels.masked_policy_terms(logits, targets, legal=legal, backend=backend)
    assert terms.log_prob.isnan().tolist() == terms.entropy.isnan().tolist() == [True, False]
    assert terms.top1.tolist() == [False, True]
    assert kernels.masked_cross_entropy(logits, targets, legal=legal, backend=backend).isnan().tolist() == [True, False]
    sample = kernels.masked_sample(logits, legal=legal, seed=1, row_keys=keys, backend=backend)
    assert int(sample.moves[0]) == -1
    assert int(sample.moves[1]) in (0, 1)


@pytest.mark.parametrize("size", [1, 3, 31, 33, 1880, 4099])
def test_tail_columns_enter_the_sum(size: int, backend: str) -> None:
    """Columns past N, and spare bits of the last word, add no exp(0): logits far below 0 show it at once."""
    words = torch.full((2, kernels.words_for(size)), -1, dtype=torch.int32, device=DEVICE)
    logits = torch.full((2, size), -50.0, device=DEVICE)
    p, gradient = both(logits, words, backend)
    torch.testing.assert_close(p, torch.full_like(p, 1 / size), rtol=1e-6, atol=0)
    assert gradient.isfinite().all()
    entropy = kernels.masked_entropy(logits, legal=words, backend=backend)
    torch.testing.assert_close(entropy, torch.full_like(entropy, math.log(size)), rtol=1e-6, atol=1e-6)


def test_the_row_stride_differs_from_the_width(backend: str) -> None:
    """Logits, result and gradient each with strides of its own; more layouts in test_family."""
    case = make_case(5, 1880)
    parent = torch.full((5, 4000), math.nan, device=DEVICE)
    parent[:, 100:1980] = case.logits
    p, gradient = both(parent[:, 100:1980], case.legal, backend)
    want, want_gradient = both(case.logits, case.legal, backend)
    assert torch.equal(p, want)
    assert torch.equal(gradient, want_gradient)


def test_row_times_stride_overflows_32_bits(backend: str) -> None:
    """Two rows 2^31 elements apart: 4 GiB of address space, of which two pages are touched."""
    size, stride = 40, 2**31
    storage = torch.empty(stride + size, dtype=torch.float16, device=DEVICE)
    logits = storage.as_strided((2, size), (stride, 1))
    logits.copy_(make_case(5, size, torch.float16).logits[3:])
    legal = make_case(5, size).mask[3:]
    p = kernels.masked_softmax(logits, legal=legal, backend=backend)
    assert torch.equal(p, kernels.masked_softmax(logits.contiguous(), legal=legal, backend=backend))
    leaf = torch.zeros(2, size, device=DEVICE, requires_grad=True)
    p = kernels.masked_softmax(leaf, legal=legal, backend=backend)
    wide = torch.empty(stride + size, dtype=torch.float16, device=DEVICE).as_strided((2, size), (stride, 1))
    wide.copy_(logits.nan_to_num())
    got = torch.autograd.grad(p.half(), leaf, wide, retain_graph=True)[0]
    assert torch.equal(got, torch.autograd.grad(p.half(), leaf, wide.contiguous())[0])


def test_bool_is_read_as_one_bit(backend: str) -> None:
    """A bool whose byte is 2 or 254 is true: its lowest bit says otherwise."""
    legal = torch.tensor([[2, 0, 254, 1]], dtype=torch.uint8, device=DEVICE).view(torch.bool)
    p, gradient = both(torch.zeros(1, 4, device=DEVICE), legal, backend)
    torch.testing.assert_close(p, floats([[1 / 3, 0.0, 1 / 3, 1 / 3]]))
    torch.testing.assert_close(gradient, floats([[2 / 9, 0.0, -1 / 9, -1 / 9]]))
    eight = torch.tensor([[2, 0, 254, 1, 128, 0, 0, 64]], dtype=torch.uint8, device=DEVICE)
    for mask in (eight, eight.view(torch.bool)):
        assert kernels.pack_legal(mask, backend=backend).tolist() == [[0b10011101]]


def test_noise_falls_on_illegal_moves(backend: str) -> None:
    """With 35 legal of 1,880 equal logits, every draw lands among the 35, and spreads over them."""
    legal = torch.arange(1880, device=DEVICE)[None] % 54 == 0
    logits, keys = torch.zeros(128, 1880, device=DEVICE), torch.arange(128, device=DEVICE)
    drawn = set(kernels.masked_sample(logits, legal=legal, seed=9, row_keys=keys, backend=backend).moves.tolist())
    assert drawn <= set(range(0, 1880, 54))
    assert len(drawn) > 25
