"""The learner: learns what it is shown, and stops at what is broken."""

import numpy as np
import pytest
import torch

from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from tests.training.test_parallel import batches
from training.learner import Learner, LearningError
from training.settings import LearnerSettings


def learner(**changes: float) -> Learner:
    torch.manual_seed(0)
    settings = LearnerSettings(device="cpu", batch_size=64, learning_rate=3e-3, **changes)
    return Learner(ResidualNetwork(ResidualArchitecture(blocks=1, channels=16)), settings)


def test_learning_rate_falls_along_a_cosine() -> None:
    one = learner(final_learning_rate=1e-3)
    rates = [one.learning_rate(progress) for progress in (0.0, 0.5, 1.0, 2.0)]
    assert rates == pytest.approx([3e-3, 2e-3, 1e-3, 1e-3])


def test_a_loss_that_is_not_finite_leaves_the_weights_alone() -> None:
    one, (batch,) = learner(), batches(1, with_search=False)
    before = one.weights()
    batch.wdl[0, 0] = np.nan
    with pytest.raises(LearningError, match="is not finite at step 1; the weights were not touched"):
        one.train(batch, progress=0.0)
    assert all(np.array_equal(before[name], array) for name, array in one.weights().items())


def test_float16_learns_the_same_and_leaves_out_steps_that_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = learner()
    monkeypatch.setattr("training.learner.autocast_dtype", lambda device: torch.float16)
    scaled, (batch,) = learner(), batches(1, with_search=False)
    for one in (plain, scaled):
        for _ in range(3):
            one.train(batch, progress=0.0)
    before = scaled.weights()
    assert all(np.allclose(before[name], array, atol=1e-5) for name, array in plain.weights().items())
    scale = scaled._scaler.get_scale()
    assert scale > 1
    broken = next(scaled.network.parameters())
    hook = broken.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    scaled.train(batch, progress=0.0)
    hook.remove()
    assert all(np.array_equal(before[name], array) for name, array in scaled.weights().items())
    assert scaled._scaler.get_scale() == scale / 2
    good, batch.wdl[0, 0] = batch.wdl[0, 0], np.nan
    with pytest.raises(LearningError, match="is not finite"):
        scaled.train(batch, progress=0.0)
    batch.wdl[0, 0] = good
    scaled.train(batch, progress=0.0)
    assert not all(np.array_equal(before[name], array) for name, array in scaled.weights().items())
