"""The loop without Ray: bounds between games and steps, rows, checkpoints."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from agent import rules
from agent.networks.weights import load_weights
from selfplay.pool import LocalPool
from tests.training.runs import begin, log_of, train
from training.durability.checkpoint import newest_checkpoint
from training.durability.run_folder import RunFolder
from training.loop import TrainingLoop
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
    rows = log_of(folder.path)
    assert (loop.learner.step, [row["step"] for row in rows]) == (30, list(range(2, 31, 2)))
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert {row[f"policy/invalid_mass_{which}"] for row in rows for which in ("max", "mean")} == {0.0}
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


def test_versions_come_in_order_and_games_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(8, tmp_path)
    pool = LocalPool(chosen.actor)
    publish, collect = Mock(wraps=pool.publish), Mock(wraps=pool.collect)
    monkeypatch.setattr(pool, "publish", publish)
    monkeypatch.setattr(pool, "collect", collect)
    train(begin(chosen), pool=pool)
    assert [call.args[1] for call in publish.call_args_list] == [0, 1, 2, 3, 4]
    waits = [call.kwargs["wait"] for call in collect.call_args_list]
    assert waits[0]
    assert not all(waits)
