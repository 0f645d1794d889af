"""Snapshots and matches on the way: taken in time, once, and without a trace in what is learned."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from agent import rules
from agent.networks.weights import load_weights
from agent.players.player import Choice
from agent.rules import Games
from agent.runs import by_step
from selfplay.pool import LocalPool
from tests.training import runs
from tests.training.monitoring.short_run import events_of
from tests.training.test_loop import settings
from training.durability.checkpoint import newest_checkpoint
from training.durability.run_folder import RunFolder, append_row
from training.durability.snapshots import Every, snapshot_path
from training.evaluation.match import MatchResult
from training.loop import TrainingLoop

OFTEN = "run.snapshot_minutes=0.00001"  # due after every step
MATCHES = ["evaluation.every_minutes=0.00001", "evaluation.games=2", "evaluation.ply_cap=20"]


@pytest.fixture(autouse=True)
def few_endings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.matches.CONVERSION_GAMES", 1)


def train(folder: Path, steps: int, *extra: str, resumed: bool = False) -> TrainingLoop:
    chosen = settings(steps, folder, *extra)
    return runs.train(runs.resume(chosen) if resumed else runs.begin(chosen)).loop


def snapshots_of(folder: Path) -> dict[int, Path]:
    return by_step(folder / "it/weights", ".safetensors")


def steps_in(folder: Path) -> list[int]:
    return list(snapshots_of(folder))


def test_time_is_due_once_and_not_again_after_a_resume() -> None:
    every = Every(10, 0)
    asked = [every.due(seconds) for seconds in (0, 599, 601, 602, 1199, 1900, 1901)]
    assert asked == [False, False, True, False, False, True, False]
    resumed = Every(10, 1900)
    assert [resumed.due(seconds) for seconds in (1900, 2399, 2400)] == [False, False, True]
    assert not any(Every(0, 0).due(seconds) for seconds in (0, 1e9))


def test_a_run_keeps_weights_from_its_start_to_its_end(tmp_path: Path) -> None:
    loop = train(tmp_path, 6, OFTEN)
    steps = steps_in(tmp_path)
    assert (steps[0], steps[-1]) == (0, 6)
    assert len(set(steps)) == len(steps) > 2
    last = load_weights(snapshot_path(tmp_path / "it", 6))
    for name, tensor in loop.learner.network.state_dict().items():
        assert torch.equal(tensor, last.network.state_dict()[name])
    seconds = [float(load_weights(path).provenance["seconds"]) for path in snapshots_of(tmp_path).values()]
    assert seconds == sorted(seconds)
    assert seconds[0] == 0 < seconds[-1] == pytest.approx(loop.counters.seconds, abs=0.1)
    assert not list((tmp_path / "it" / "weights").glob(".*"))


def test_snapshots_survive_a_resume_and_are_not_doubled(tmp_path: Path) -> None:
    train(tmp_path, 6, OFTEN)
    kept = {step: path.read_bytes() for step, path in snapshots_of(tmp_path).items()}
    lost = snapshot_path(tmp_path / "it", 9)  # beyond the checkpoint
    lost.write_bytes(kept[6])
    loop = train(tmp_path, 10, "run.snapshot_minutes=100", resumed=True)
    assert (loop.counters.streams, loop.window.replay.games) == (2, loop.counters.games)
    assert steps_in(tmp_path) == [*kept, 10]
    assert all(snapshot_path(tmp_path / "it", step).read_bytes() == data for step, data in kept.items())


def test_a_checkpoint_follows_every_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run killed between the two takes that snapshot again."""
    order = list[tuple[str, str]]()
    monkeypatch.setattr("training.durability.snapshots.save_weights", lambda path, *_: order.append(("", path.stem)))
    checkpoint = "training.durability.checkpoint.write_checkpoint"
    monkeypatch.setattr(checkpoint, lambda _, step, *__, keep: order.append(("checkpoint", f"step-{step:08d}")))
    train(tmp_path, 6, OFTEN, "run.checkpoint_seconds=100000")
    first, steps = [*dict.fromkeys(order)], dict.fromkeys(step for _, step in order)
    assert first == [(what, step) for step in steps for what in ("", "checkpoint")]
    assert len(steps) > 2


def test_matches_on_the_way_are_kept_and_shown(tmp_path: Path) -> None:
    train(tmp_path, 4, *MATCHES)
    rows = [json.loads(line) for line in (tmp_path / "it" / "matches.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows]
    assert steps
    for row in rows:
        assert (row["when"], row["games"], set(row["conversion"])) == ("during", 2, {"kq", "kr", "kbb"})
        assert min(row["minutes"], row["seconds"]) > 0
    folder = RunFolder.find("it", tmp_path)
    events = events_of(folder)
    for tag in ("evaluation/score", "evaluation/elo_low", "evaluation/conversion/kq", "evaluation/seconds"):
        assert [event.step for event in events.Scalars(tag)] == steps
    assert [event.value for event in events.Scalars("evaluation/score")] == [row["score"] for row in rows]
    # The match before training is another one.
    assert folder.match("before") is None
    append_row(folder.matches, {"step": 0, "when": "before", **MatchResult("random", 2, 1, 0, 1, 0).to_json()})
    with (tmp_path / "it" / "matches.jsonl").open("a") as file:
        file.write('{"step": 9, "wh')  # torn by a crash
    assert folder.match("before") == MatchResult("random", 2, 1, 0, 1, 0)


def test_a_stop_ends_a_match_on_the_way_within_a_ply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped run has seconds for its checkpoint, and a match may take minutes."""
    asked = {"stop": 0, "after": 0}

    def choose(player: object, games: Games) -> Choice:
        asked["after"] += asked["stop"]
        asked["stop"] = 1
        return Choice(rules.legal_moves(games.positions)[0][:, 0], np.zeros(len(games.positions), np.float32))

    monkeypatch.setattr("agent.players.network.LookaheadPlayer.choose", choose)
    chosen = settings(1000, tmp_path, *MATCHES)
    run = runs.begin(chosen)
    loop = run.loop
    loop.run(LocalPool(chosen.actor), stop=lambda: bool(asked["stop"]))
    run.close()
    assert asked == {"stop": 1, "after": 0}
    assert not (tmp_path / "it" / "matches.jsonl").exists()
    assert newest_checkpoint(run.folder.checkpoints)[1].state["step"] == loop.learner.step < 1000


def test_snapshots_and_matches_leave_no_trace_in_what_is_learned(tmp_path: Path) -> None:
    plain = train(tmp_path / "plain", 3, "run.snapshot_minutes=0")
    watched = train(tmp_path / "watched", 3, OFTEN, *MATCHES)
    assert not (tmp_path / "plain/it/weights").exists()
    for name, tensor in plain.learner.network.state_dict().items():
        assert torch.equal(tensor, watched.learner.network.state_dict()[name]), name
    assert plain.learner.network.training is watched.learner.network.training is True
    for key, array in plain.learner.state_arrays().items():
        assert np.array_equal(array, watched.learner.state_arrays()[key])
