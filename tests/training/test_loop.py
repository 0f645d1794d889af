"""The loop without Ray: bounds between games and steps, rows, checkpoints, resume."""

import json
from pathlib import Path

import numpy as np
import pytest

from agent import rules
from agent.errors import InputError
from agent.networks.weights import load_weights
from selfplay.actor import GameBatch, GamePlayer, Weights
from selfplay.pool import LocalPool
from selfplay.settings import ActorSettings
from tests.training.runs import begin, resume, train
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


def rows(folder: RunFolder) -> list[dict[str, float]]:
    return [json.loads(line) for line in folder.log.read_text().splitlines()]


def test_a_run_leaves_settings_rows_games_and_a_checkpoint(tmp_path: Path) -> None:
    loop, folder = run(tmp_path, 10)
    assert loop.learner.step == 10
    assert [row["step"] for row in rows(folder)] == [2, 4, 6, 8, 10]
    for row in rows(folder):
        assert all(find_tag(tag) for tag in set(row) - {"step", "time"})
        assert all(np.isfinite(value) for value in row.values())
        assert row["policy/invalid_mass_max"] == row["policy/invalid_mass_mean"] == 0.0
    path, checkpoint, _ = newest_checkpoint(folder.checkpoints)
    assert path.name == "step-00000010"
    assert checkpoint.state["counters"]["games"] == loop.counters.games > 0
    assert {"step": "10", "run": "it"}.items() <= load_weights(path / "weights.safetensors").provenance.items()
    assert (folder.games / "game-00000000.pgn").exists()
    assert load_settings(folder.path / "settings.yaml") == loop.settings


def test_a_position_is_trained_on_no_more_often_than_the_reuse_ratio(tmp_path: Path) -> None:
    loop, _ = run(tmp_path, 30)
    trained = loop.learner.step * loop.settings.learner.batch_size
    assert trained <= loop.settings.learner.reuse * loop.window.replay.added
    # And not much less: the loop does not idle when it may train.
    assert trained > 0.6 * loop.settings.learner.reuse * loop.window.replay.added


def test_every_distribution_sampled_or_trained_is_counted(tmp_path: Path) -> None:
    loop, _ = run(tmp_path, 6)
    trained = 6 * loop.settings.learner.batch_size
    sampled = loop.counters.mass.distributions - trained
    assert sampled >= loop.counters.positions
    assert sampled % loop.settings.selfplay.games == 0
    assert loop.counters.mass.largest == 0.0


def test_a_run_with_search_learns_improved_policies(tmp_path: Path) -> None:
    loop, folder = run(tmp_path, 8, "selfplay.simulations=4")
    assert loop.counters.mass.largest == 0.0
    assert loop.window.replay.added == loop.counters.positions
    batch = loop.window.replay.sample(100, np.random.default_rng(0))
    legal = rules.count_moves(batch.positions)
    assert np.array_equal(np.diff(batch.policies.offsets), legal)
    sums = np.add.reduceat(batch.policies.probabilities.astype(np.float64), batch.policies.offsets[:-1])
    assert np.allclose(sums, 1.0, atol=0.01)
    last = rows(folder)[-1]
    assert last["policy/kl"] == pytest.approx(last["loss/policy"] - last["policy/target_entropy"], abs=1e-5)
    assert all(find_tag(tag) for tag in set(last) - {"step", "time"})


def test_resume_goes_on_with_step_optimiser_replay_counters_and_streams(tmp_path: Path) -> None:
    first, folder = run(tmp_path, 6)
    resumed = resume(settings(12, tmp_path))
    second = resumed.loop
    assert second.learner.step == 6
    assert (second.counters.games, second.counters.version) == (first.counters.games, first.counters.version)
    for name, array in first.learner.state_arrays().items():
        assert np.array_equal(array, second.learner.state_arrays()[name])
    draws = [loop.window.replay.sample(50, loop._generator) for loop in (first, second)]
    assert np.array_equal(draws[0].positions, draws[1].positions)
    train(resumed)
    assert [row["step"] for row in rows(folder)] == [2, 4, 6, 8, 10, 12]
    assert second.counters.streams == 2
    assert second.window.replay.games == second.counters.games


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


def test_stop_ends_in_a_checkpoint(tmp_path: Path) -> None:
    run = train(begin(settings(1000, tmp_path)), until=3)
    assert newest_checkpoint(run.folder.checkpoints)[1].state["step"] == run.loop.learner.step < 1000


def test_a_player_loads_published_weights(tmp_path: Path) -> None:
    chosen = settings(1, tmp_path)
    run = begin(chosen)
    player = GamePlayer(chosen.actor, stream=0)
    assert player.version == -1
    weights = run.loop.learner.weights()
    for array in weights.values():
        array.setflags(write=False)  # as they come out of the object store
    player.load(weights, 7)
    batch = player.play()
    assert (batch.version, batch.statistics.plies) == (7, 8 * chosen.selfplay.plies_per_call)
    run.close()


def test_a_run_folder_is_not_overwritten(tmp_path: Path) -> None:
    folder = RunFolder.create(settings(1, tmp_path), None)
    assert folder.go_on == "start it again"
    (folder.checkpoints / "step-00000000").mkdir()
    with pytest.raises(InputError, match=rf"exists already; go on with --resume {tmp_path}/it"):
        RunFolder.create(settings(1, tmp_path), None)
    with pytest.raises(InputError, match=r"run 'other' does not exist; runs here: it"):
        RunFolder.find("other", tmp_path)
