"""MaskedCategorical beside PyTorch's Categorical with logits of -1e4 at illegal entries: exact for small logits."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical as _Categorical
from torch.distributions import kl_divergence as _kl_divergence

from kernels import MaskedCategorical, pack_legal

Categorical: Any = _Categorical  # without types, as much in torch.distributions
kl_divergence: Any = _kl_divergence
SHAPE = (3, 4, 70)


def drawn(seed: int, legal: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Logits with rubbish at illegal entries."""
    generator = torch.Generator().manual_seed(seed)
    legal = torch.rand(SHAPE, generator=generator) < 0.2 if legal is None else legal
    legal[..., :2] = True
    logits = 3 * torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    rubbish = torch.tensor([torch.nan, 1e30, -torch.inf, torch.inf])[torch.arange(70) % 4]
    return torch.where(legal, logits, rubbish), legal


@pytest.mark.parametrize("packed", [False, True])
def test_it_is_the_distribution_over_the_legal_entries(packed: bool) -> None:
    logits, legal = drawn(0)
    other, _ = drawn(1, legal)
    mask = pack_legal(legal) if packed else legal
    given, second = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    ours, theirs = MaskedCategorical(given, legal=mask), Categorical(logits=torch.where(legal, second, -1e4))
    q, r = MaskedCategorical(other, legal=mask), Categorical(logits=torch.where(legal, other, -1e4))
    value = torch.tensor([[0, 1, 0, 1], [1, 1, 0, 0]])[:, None]  # broadcasts against the rows
    found = []
    for one, two in ((ours, q), (theirs, r)):
        found.append([one.log_prob(value), one.entropy(), kl_divergence(one, two), kl_divergence(two, one), one.probs])
        sum((0.3 + i) * tensor.sum() for i, tensor in enumerate(found[-1][:-1])).backward()
        found[-1] += [one.mode, one.logits[legal], torch.tensor([*one.batch_shape, -1, *one.event_shape])]
    for mine, reference in zip(*found, strict=True):
        torch.testing.assert_close(mine, reference)
    assert given.grad is not None
    assert second.grad is not None
    torch.testing.assert_close(given.grad[legal], second.grad[legal])
    assert not ours.probs[~legal].any()
    assert not given.grad[~legal].any()
    assert (ours.log_prob((~legal).int().argmax(-1)) == -torch.inf).all()
    fewer = legal.clone()
    fewer[1, 2, ours.mode[1, 2]] = False
    assert kl_divergence(ours, MaskedCategorical(other, legal=fewer)).isinf().nonzero().tolist() == [[1, 2]]


def test_samples_are_as_frequent_as_they_should_be_and_follow_the_seed() -> None:
    logits, legal = drawn(0)
    ours = MaskedCategorical(logits, legal=legal)
    torch.manual_seed(0)
    first, again = ours.sample((4000,)), ours.sample((4000,))
    shares = torch.nn.functional.one_hot(first, 70).double().mean(0)
    assert not shares[~legal].any()
    assert ((shares - ours.probs).abs() < 5 * (ours.probs * (1 - ours.probs) / 4000).sqrt() + 1e-9).all()
    torch.manual_seed(0)
    assert torch.equal(first, ours.sample((4000,)))
    assert not torch.equal(first, again)
    twin = ours.expand((2, 3, 4))
    assert twin.sample().shape == twin.entropy().shape == (2, 3, 4)
    torch.testing.assert_close(twin.probs[1], ours.probs)


def test_entries_of_probability_zero_rows_without_a_legal_entry_and_wrong_arguments() -> None:
    legal = torch.tensor([[True] * 5, [False] * 5])
    logits = torch.tensor([[0.0, -torch.inf, 1.0, 2.0, 3.0]] * 2, requires_grad=True)
    ours = MaskedCategorical(logits, legal=legal, validate_args=True)  # torch.compile turns the default off
    assert ours.mode[1] == ours.sample()[1] == -1
    assert ours.entropy()[1] == ours.log_prob(torch.tensor([0, -1]))[1] == 0
    divergence = kl_divergence(ours, MaskedCategorical(torch.zeros(2, 5), legal=legal))
    divergence.sum().backward()
    assert divergence[1] == 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    with pytest.raises(ValueError, match="support"):
        ours.log_prob(torch.tensor([5, 0]))
    with pytest.raises(ValueError, match="mask of 5 columns"):
        MaskedCategorical(torch.randn(2, 5), legal=torch.ones(2, 4, dtype=torch.bool))
