"""The published examples that the project grew from, as figures."""

import math

import pytest
import torch

import kernels
from tests.kernels.family import DEVICE

LOGITS = [[1.2355, -0.1710, -0.6606, -0.2050, -1.4690]]
MASK = [[1, 0, 1, 1, 0]]


def test_the_published_example(backend: str) -> None:
    logits = torch.tensor(LOGITS, device=DEVICE)
    legal = torch.tensor(MASK, dtype=torch.bool, device=DEVICE)
    p = kernels.masked_softmax(logits, legal=legal, backend=backend)
    assert [round(x, 4) for x in p[0].tolist()] == [0.7210, 0.0, 0.1083, 0.1707, 0.0]
    # Multiplying the logits leaks.
    leaking = (logits * legal).softmax(1)
    assert float(kernels.invalid_mass(leaking, legal=legal, backend=backend)) > 0.2
    assert float(kernels.invalid_mass(p, legal=legal, backend=backend)) == 0.0


def test_terms_of_minus_infinity_vanish_from_the_gradient(backend: str) -> None:
    logits = torch.tensor([[-math.inf, 2.0], [1.0, 2.0]], device=DEVICE, requires_grad=True)
    targets = torch.tensor([1, 1], device=DEVICE)
    # Legal throughout: the -inf itself takes the entry out, as in PyTorch.
    every = torch.ones(2, 2, dtype=torch.bool, device=DEVICE)
    loss = kernels.masked_cross_entropy(logits, targets, legal=every, backend=backend)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    (torchs,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, targets), logits)
    torch.testing.assert_close(gradient / 2, torchs)
    assert [[round(x, 4) for x in row] for row in gradient.tolist()] == [[0.0, 0.0], [0.2689, -0.2689]]
    # And with the entry illegal, whatever its logit.
    legal = torch.tensor([[0, 1], [1, 1]], dtype=torch.bool, device=DEVICE)
    masked = kernels.masked_cross_entropy(logits, targets, legal=legal, backend=backend)
    assert torch.equal(torch.autograd.grad(masked.sum(), logits)[0], gradient)


def test_the_forums_worked_example(backend: str) -> None:
    """Cross-entropy through a linear layer, summed: the gradient of its weights."""
    weights = torch.tensor([[-0.0473, 0.0679], [-0.6429, -0.5586]], device=DEVICE, requires_grad=True)
    inputs = torch.tensor([[1.3032, 0.5701], [0.2671, 1.3900]], device=DEVICE)
    targets = torch.tensor([0, 1], device=DEVICE)
    legal = torch.tensor([[1, 1]], dtype=torch.uint8, device=DEVICE)
    loss = kernels.masked_cross_entropy(inputs @ weights.t(), targets, legal=legal, backend=backend).sum()
    (gradient,) = torch.autograd.grad(loss, weights)
    # Its inputs are printed to four digits, so its result holds to one unit of the fourth.
    want = torch.tensor([[-0.1206, 0.8855], [0.1206, -0.8855]], device=DEVICE)
    torch.testing.assert_close(gradient, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [8, 2048])
def test_padding_and_causal_masks_of_attention(size: int, backend: str) -> None:
    """[batch, heads, rows, columns], a padding mask for each of the batch, row i of every head at position i.

    2,048 is the width at which the published kernel leaves half of each row unwritten."""
    scores = torch.randn(2, 2, 3, size, generator=torch.Generator().manual_seed(0)).to(DEVICE).requires_grad_()
    weight = torch.linspace(0, 1, scores.numel(), device=DEVICE).view(scores.shape)
    column = torch.arange(size, device=DEVICE)
    padding = torch.stack([column < size - 3, (column > 0) & (column < size - 1)])[:, None, None, :]
    every, below = torch.ones(size, dtype=torch.bool, device=DEVICE), column <= column[:3, None]
    for keep, causal, kept in ((padding, False, padding), (every, True, below), (padding, True, padding & below)):
        p = kernels.masked_softmax(scores, legal=keep, causal=causal, backend=backend)
        # Row 0 of the second sequence may keep nothing: zeros, where PyTorch has NaN.
        want = scores.masked_fill(~kept, -torch.inf).softmax(-1).nan_to_num()
        torch.testing.assert_close(p, want, rtol=1e-5, atol=1e-7)
        assert not p.masked_fill(kept, 0).any()
        gradient, wanted = (torch.autograd.grad((each * weight).sum(), scores)[0] for each in (p, want))
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)
        logp = kernels.masked_log_softmax(scores, legal=keep, causal=causal, fill=-7.0, backend=backend)
        want = scores.masked_fill(~kept, -torch.inf).log_softmax(-1).masked_fill(~kept, -7.0)
        torch.testing.assert_close(logp, want, rtol=1e-5, atol=1e-5)
