"""The loop without Ray: bounds between games and steps, rows, checkpoints, resume."""

from pathlib import Path

import numpy as np
import pytest

from agent import rules
from agent.errors import InputError
from agent.networks.weights import load_weights
from selfplay.actor import GameBatch, Weights
from selfplay.pool import LocalPool
from selfplay.settings import ActorSettings
from tests.training.runs import begin, resume, train
from tests.training.test_run import log_of
from training.durability.checkpoint import newest_checkpoint
from training.durability.run_folder import RunFolder
from training.loop import TrainingLoop
from training.monitoring.tags.tags import find_tag
from training.settings import Settings, load_settings

OVERRIDES = (
    "network.blocks=1 network.channels=8 selfplay.actors=0 selfplay.games=8 selfplay.ply_cap=24 learner.batch_size=32 "
    "learner.publish_steps=2 replay.warmup=64 replay.capacity=600 log.steps=2 run.minutes=null"
)


def settings(steps: int, folder: Path, *extra: str) -> Settings:
    own = f"run.steps={steps}", f"run.folder={folder}", "run.name=it"
    return load_settings(None, [*OVERRIDES.split(), *own, *extra])


def run(tmp_path: Path, steps: int, *extra: str) -> tuple[TrainingLoop, RunFolder]:
    trained = train(begin(settings(steps, tmp_path, *extra)))
    return trained.loop, trained.folder


def test_a_run_leaves_settings_rows_games_and_a_checkpoint(tmp_path: Path) -> None:
    loop, folder = run(tmp_path, 30)
    assert (loop.learner.step, [row["step"] for row in log_of(folder.path)]) == (30, list(range(2, 31, 2)))
    for row in log_of(folder.path):
        assert all(find_tag(tag) for tag in set(row) - {"step", "time"})
        assert all(np.isfinite(value) for value in row.values())
        assert row["policy/invalid_mass_max"] == row["policy/invalid_mass_mean"] == 0.0
    path, checkpoint, _ = newest_checkpoint(folder.checkpoints)
    assert path.name == "step-00000030"
    assert checkpoint.state["counters"]["games"] == loop.counters.games > 0
    assert {"step": "30", "run": "it"}.items() <= load_weights(path / "weights.safetensors").provenance.items()
    assert (folder.games / "game-00000000.pgn").exists()
    assert load_settings(folder.path / "settings.yaml") == loop.settings
    # A position is trained on no more often than the reuse ratio; nor much less: the loop does not idle.
    trained = loop.learner.step * loop.settings.learner.batch_size
    assert 0.6 < trained / (loop.settings.learner.reuse * loop.window.replay.added) <= 1
    # Every distribution sampled or trained is counted.
    sampled = loop.counters.mass.distributions - trained
    assert sampled >= loop.counters.positions
    assert (sampled % loop.settings.selfplay.games, loop.counters.mass.largest) == (0, 0.0)


def test_a_run_with_search_learns_improved_policies(tmp_path: Path) -> None:
    loop, folder = run(tmp_path, 8, "selfplay.simulations=4")
    assert (loop.counters.mass.largest, loop.window.replay.added) == (0.0, loop.counters.positions)
    batch = loop.window.replay.sample(100, np.random.default_rng(0))
    legal = rules.count_moves(batch.positions)
    assert np.array_equal(np.diff(batch.policies.offsets), legal)
    sums = np.add.reduceat(batch.policies.probabilities.astype(np.float64), batch.policies.offsets[:-1])
    assert np.allclose(sums, 1.0, atol=0.01)
    last = log_of(folder.path)[-1]
    assert last["policy/kl"] == pytest.approx(last["loss/policy"] - last["policy/target_entropy"], abs=1e-5)
    assert all(find_tag(tag) for tag in set(last) - {"step", "time"})


def test_resume_goes_on_with_rows_and_streams(tmp_path: Path) -> None:
    """All else bit for bit: test_bit_for_bit."""
    _, folder = run(tmp_path, 6)
    second = train(resume(settings(12, tmp_path))).loop
    assert [row["step"] for row in log_of(folder.path)] == [2, 4, 6, 8, 10, 12]
    assert (second.counters.streams, second.window.replay.games) == (2, second.counters.games)


class _Counted(LocalPool):
    """A pool that records what is asked of it."""

    def __init__(self, settings: ActorSettings) -> None:
        super().__init__(settings)
        self.versions, self.waits = list[int](), list[bool]()

    def publish(self, weights: Weights, version: int) -> None:
        self.versions.append(version)
        super().publish(weights, version)

    def collect(self, *, wait: bool) -> list[GameBatch]:
        self.waits.append(wait)
        return super().collect(wait=wait)


def test_versions_are_published_in_order_and_games_awaited_only_when_needed(tmp_path: Path) -> None:
    chosen = settings(8, tmp_path)
    pool = _Counted(chosen.actor)
    train(begin(chosen), pool=pool)
    assert pool.versions == [0, 1, 2, 3, 4]
    assert pool.waits[0]
    assert not all(pool.waits)


def test_a_run_folder_is_not_overwritten(tmp_path: Path) -> None:
    folder = RunFolder.create(settings(1, tmp_path), None)
    assert folder.go_on == "start it again"
    (folder.checkpoints / "step-00000000").mkdir()
    with pytest.raises(InputError, match=rf"exists already; go on with --resume {tmp_path}/it"):
        RunFolder.create(settings(1, tmp_path), None)
    with pytest.raises(InputError, match=r"run 'other' does not exist; runs here: it"):
        RunFolder.find("other", tmp_path)
