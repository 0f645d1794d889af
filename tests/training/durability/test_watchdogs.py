"""A loss that is not finite: the run recovers, and ends if it fails too often."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.runs import begin, log_of, train
from tests.training.test_loop import settings
from training.assembly import Run
from training.durability.watchdog import MOST_TRIES
from training.learner import Learner, LearningError
from training.replay import Batch


def poison(monkeypatch: pytest.MonkeyPatch, failing: list[int]) -> None:
    """Let the learner's weights be NaN at its n-th batches `failing`."""
    train, calls = Learner.train, [0]

    def train_or_break(self: Learner, batch: Batch, *, progress: float) -> None:
        calls[0] += 1
        if calls[0] in failing:
            with torch.no_grad():
                next(self.network.parameters()).mul_(float("nan"))
        train(self, batch, progress=progress)

    monkeypatch.setattr(Learner, "train", train_or_break)


def start(tmp_path: Path, steps: int, said: list[str]) -> Run:
    return begin(settings(steps, tmp_path, "run.checkpoint_seconds=0.001"), said.append)


def test_a_broken_loss_goes_back_to_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    poison(monkeypatch, [9])
    run = train(start(tmp_path, 20, said))
    loop = run.loop
    assert (loop.learner.step, run.watchdog.rescues) == (20, 1)
    for learned in (loop.learner.weights(), loop.learner.state_arrays()):
        assert all(bool(np.isfinite(array).all()) for array in learned.values())
    assert len(said) == 1
    assert "is not finite at step 9; weights go back to step-0000000" in said[0]
    (evidence,) = run.folder.evidence.glob("*.npz")
    assert str(evidence) in said[0]
    with np.load(evidence, allow_pickle=False) as arrays:
        assert len(arrays["positions"]) == loop.settings.learner.batch_size
        assert {"moves", "log_probs", "wdl", "advantages", "policies.offsets"} <= set(arrays)
    rows = log_of(run.folder.path)
    assert ([row["step"] for row in rows], rows[-1]["system/rescues"]) == (list(range(2, 21, 2)), 1)


def test_a_loss_that_breaks_again_and_again_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    poison(monkeypatch, list(range(9, 100)))
    run = start(tmp_path, 40, said)
    with pytest.raises(LearningError, match=r"lower learner.learning_rate \(evidence: .*try-4.npz\)"):
        train(run)
    assert len(said) == MOST_TRIES
    went_back = [line.split("go back to ")[1][:13] for line in said]
    assert went_back == sorted(went_back, reverse=True)
    assert len(set(went_back)) > 1  # not for ever to the same
