"""A run without Ray that was stopped, or killed, and resumed equals one that was not: bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.runs import begin, resume, train
from tests.training.test_loop import OVERRIDES
from training.assembly import Run
from training.durability.checkpoint import Checkpoints, list_checkpoints, newest_checkpoint, read_checkpoint
from training.durability.replay_store import StoredGame
from training.settings import Settings, load_settings

SPARSE = "network.kind=sparse network.width=64 network.hidden=32 selfplay.simulations=4"
MODES = {
    "sampled, residual": "network.kind=residual",
    "searched, sparse": SPARSE,
    "principal variations": f"{SPARSE} selfplay.method=pvs learner.value_lambda=0.8",
}


def settings(tmp_path: Path, name: str, mode: str) -> Settings:
    own = [f"run.folder={tmp_path}", f"run.name={name}", "run.steps=16", "learner.publish_steps=4"]
    return load_settings(None, [*OVERRIDES.split(), *own, *MODES[mode].split()])


def go(run: Run, until: int) -> None:
    checkpoints = list_checkpoints(run.folder.checkpoints)
    train(run, until=until, unfinished=dict(read_checkpoint(checkpoints[0]).player) if checkpoints else None)


def everything(run: Run) -> dict[str, Any]:
    """All that a run goes on from, and all that it would draw next."""
    _, checkpoint, _ = newest_checkpoint(run.folder.checkpoints)
    state = checkpoint.state
    state["counters"].pop("seconds")
    loop = run.loop
    draws = loop.window.replay.sample(300, np.random.default_rng(0))

    def raw(arrays: Any) -> dict[str, bytes]:
        return {name: array.tobytes() for name, array in dict(arrays).items()}

    games = [game for game in loop.window.store.read(0) if isinstance(game, StoredGame)]
    return {
        "state": state,
        "weights": raw(loop.learner.weights()),
        "learner": raw(checkpoint.optimizer),
        "unfinished": raw(checkpoint.player),
        "drawn": raw({name: array for name, array in vars(draws).items() if isinstance(array, np.ndarray)}),
        "policies": raw(vars(draws.policies)),
        "games": [(game.number, game.record.game, game.record.moves.tobytes()) for game in games],
    }


@pytest.mark.parametrize("mode", MODES)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = begin(settings(tmp_path, "whole", mode))
    go(whole, 16)
    wanted = everything(whole)
    chosen = settings(tmp_path, "torn", mode)
    go(begin(chosen), 5)
    killed = resume(chosen)
    saved = killed.loop.learner.step
    assert 0 < saved < 16
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", lambda self, loop: None)
        go(killed, saved + 3)  # games became durable behind the checkpoint, steps were made, all in vain
    again = resume(chosen)
    assert again.loop.learner.step == saved < killed.loop.learner.step
    go(again, saved + 1)
    last = resume(chosen)
    assert saved < last.loop.learner.step < 16
    go(last, 16)
    found = everything(last)
    for part, content in wanted.items():
        assert found[part] == content, part
    assert len(wanted["games"]) > 5
    assert any(name.endswith(".moves") and content for name, content in wanted["unfinished"].items())


@pytest.mark.parametrize("steps", [0, 3])
def test_a_run_killed_before_its_second_checkpoint_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    whole = begin(settings(tmp_path, "whole", "searched, sparse"))
    go(whole, 4)
    chosen = settings(tmp_path, "torn", "searched, sparse")
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "end", lambda self, loop: None)
        go(begin(chosen), steps)
    again = resume(chosen)
    assert again.loop.learner.step == 0
    go(again, 4)
    assert everything(again) == everything(whole)
