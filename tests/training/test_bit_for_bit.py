"""A run without Ray that was stopped, or killed, and resumed equals one that was not: bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.networks.network import Network
from agent.networks.registry import architecture_of, make_network
from agent.networks.weights import load_weights
from selfplay.pool import LocalPool
from tests.training.test_loop import OVERRIDES
from training.durability.checkpoint import newest_checkpoint
from training.durability.game_file import StoredGame
from training.durability.run_folder import RunFolder
from training.loop import TrainingLoop
from training.settings import Settings, load_settings

MODES = {
    "sampled, residual": ["network.kind=residual"],
    "searched, sparse": [
        "network.kind=sparse",
        "network.width=64",
        "network.hidden=32",
        "selfplay.simulations=4",
    ],
    "every kind of start": [
        "network.kind=sparse",
        "network.width=64",
        "network.hidden=32",
        "selfplay.simulations=4",
        "selfplay.endgame_share=0.3",
        "selfplay.decisive_share=0.3",
        "learner.value_lambda=0.8",
    ],
}


def settings(tmp_path: Path, name: str, mode: str) -> Settings:
    own = [f"run.folder={tmp_path}", f"run.name={name}", "run.steps=16", "learner.publish_steps=4"]
    return load_settings(None, [*OVERRIDES, *own, *MODES[mode]])


def start(chosen: Settings) -> TrainingLoop:
    import torch

    torch.manual_seed(chosen.run.seed)
    network: Network = make_network(architecture_of(chosen.network))
    return TrainingLoop(chosen, RunFolder.create(chosen, None), network)


def resume(chosen: Settings) -> TrainingLoop:
    folder = RunFolder(Path(chosen.run.folder) / chosen.run.name)
    path, checkpoint, _ = newest_checkpoint(folder.checkpoints)
    return TrainingLoop(chosen, folder, load_weights(path / "weights.safetensors").network, checkpoint)


def go(loop: TrainingLoop, until: int) -> None:
    pool = LocalPool(loop.settings.actor, loop.counters.streams, loop.player)
    loop.run(pool, stop=lambda: loop.learner.step >= until, tick=lambda loop: None)
    loop.close()


def everything(loop: TrainingLoop) -> dict[str, Any]:
    """All that a run goes on from, and all that it would draw next."""
    _, checkpoint, _ = newest_checkpoint(loop.folder.checkpoints)
    state = checkpoint.state
    state["counters"].pop("seconds")
    draws = loop.replay.sample(300, np.random.default_rng(0))

    def raw(arrays: Any) -> dict[str, bytes]:
        named: dict[str, NDArray[Any]] = dict(arrays)
        return {name: array.tobytes() for name, array in named.items()}

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
    whole = start(settings(tmp_path, "whole", mode))
    go(whole, 16)
    wanted = everything(whole)
    chosen = settings(tmp_path, "torn", mode)
    go(start(chosen), 5)
    killed = resume(chosen)
    saved = killed.learner.step
    assert 0 < saved < 16
    with monkeypatch.context() as patched:
        patched.setattr(TrainingLoop, "save", lambda self: None)
        go(killed, saved + 3)  # games became durable behind the checkpoint, steps were made, all in vain
    again = resume(chosen)
    assert again.learner.step == saved < killed.learner.step
    go(again, saved + 1)
    last = resume(chosen)
    assert saved < last.learner.step < 16
    go(last, 16)
    found = everything(last)
    for part, content in wanted.items():
        assert found[part] == content, part
    assert len(wanted["games"]) > 5
    assert any(name.endswith(".moves") and content for name, content in wanted["unfinished"].items())
