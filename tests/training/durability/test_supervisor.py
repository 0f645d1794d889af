"""The trainer dies, hangs, fails, is refused, or has no finite loss: the driver starts another, or says why not."""

import json
import os
import signal
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.processes import descendants, family, start_training, wait_until_gone
from tests.training.records import standing
from tests.training.runs import begin, log_of, train
from tests.training.test_loop import settings
from tests.training.test_run import TINY, finish, wait_for
from training.assembly import Run
from training.durability.checkpoint import list_checkpoints, newest_checkpoint
from training.durability.replay_store import ReplayStore, StoredGame
from training.durability.watchdog import MOST_TRIES
from training.learner import Learner, LearningError
from training.replay import Batch


def games_of(run: Path) -> Counter[str]:
    """Ids of the durable games."""
    return Counter(game.record.game for game in ReplayStore(run / "replay").read(0) if isinstance(game, StoredGame))


def newest_step(run: Path) -> int:
    return int(newest_checkpoint(run / "checkpoints")[1].state["step"])


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_trainer_that_is_killed_or_hangs_is_replaced_and_goes_on(tmp_path: Path, how: signal.Signals) -> None:
    run = tmp_path / "runs" / "it"
    beats = ["run.checkpoint_seconds=0.5", "run.heartbeat_seconds=10"]
    process = start_training("demo", *TINY, "run.steps=2000000", *beats, folder=tmp_path)
    wait_for(lambda: len(list_checkpoints(run / "checkpoints")) >= 2, process)
    (trainer,) = descendants("ray::Trainer", process.pid)
    os.kill(trainer, how)
    wait_for(lambda: (run / "faults.log").exists(), process)
    before = newest_checkpoint(run / "checkpoints")[1].state
    wait_for(lambda: newest_checkpoint(run / "checkpoints")[1].state["step"] > before["step"], process)
    process.terminate()
    output = finish(process)
    assert "starting another trainer from the newest checkpoint" in output
    assert f"resuming {Path('runs') / 'it'} from step-" in output
    after = newest_checkpoint(run / "checkpoints")[1].state
    assert after["counters"]["streams"] == before["counters"]["streams"] + 2
    assert [row["step"] for row in log_of(run)] == list(range(1, after["step"] + 1))


@pytest.mark.parametrize(
    ("victim", "told"),
    [
        pytest.param("raylet/raylet", "raylet", marks=pytest.mark.slow),
        pytest.param("gcs_server", "gcs_server", marks=pytest.mark.slow),
        pytest.param("ray::DashboardAgent", "raylet", marks=pytest.mark.hours),
    ],
    ids=["raylet", "gcs_server", "agent"],
)
def test_a_local_ray_that_loses_a_process_is_started_again(tmp_path: Path, victim: str, told: str) -> None:
    """With its agent the raylet ends too."""
    run = tmp_path / "runs" / "it"
    beats = ["run.checkpoint_seconds=0.5", "run.heartbeat_seconds=10", "replay.capacity=1000000"]
    process = start_training("demo", *TINY, "run.steps=2000000", *beats, folder=tmp_path)
    wait_for(lambda: len(list_checkpoints(run / "checkpoints")) >= 2, process)
    old = [pid for pid, line in family(process.pid).items() if pid != process.pid and "ray" in line]
    ledger = games_of(run)
    os.kill(descendants(victim, process.pid)[0], signal.SIGKILL)
    wait_for(lambda: (run / "faults.log").exists(), process)
    wait_until_gone(old)
    before = newest_step(run)
    wait_for(lambda: newest_step(run) > before, process)
    process.terminate()
    output = finish(process)
    (fault,) = (run / "faults.log").read_text().splitlines()
    assert f"Ray's {told}" in fault
    (line,) = [line for line in output.splitlines() if "starting Ray again" in line]
    assert f"Ray's {told}" in line
    assert f"resuming {Path('runs') / 'it'} from step-" in output
    assert [words for words in ("Traceback", "Raylet is terminated", "node id") if words in output] == []
    games = games_of(run)
    assert (ledger - games, max(games.values())) == (Counter(), 1)
    assert [row["step"] for row in log_of(run)] == list(range(1, 1 + newest_step(run)))


@pytest.mark.slow
def test_a_trainer_that_fails_again_and_again_is_given_up_with_a_sentence(tmp_path: Path) -> None:
    """A file of the run holds what no program wrote there, which no restart can fix."""
    code = "s.RESTART_DELAY, s.FRUITLESS = 0.0, 2\nsys.exit(zeromass.main(sys.argv[1:]))"
    code = f"import sys, training.durability.supervisor as s, zeromass\n{code}"
    process = start_training("demo", *TINY, folder=tmp_path, program=("-c", code))
    run = tmp_path / "runs" / "it"
    wait_for(lambda: (run / "checkpoints").exists(), process)
    row = asdict(standing("a", 0, 0, 0, None)) | {"elo": "much"}
    (run / "ladder.json").write_text(json.dumps({"standings": [row]}))  # drawn at the end
    output = finish(process, 1)
    assert "the trainer ended 2 times without a new checkpoint, last because the trainer failed (" in output
    assert "then go on with --resume runs/it" in output
    assert "Traceback" not in output


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
