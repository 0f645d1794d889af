"""A run may begin with the weights of a file: they are what it starts from, and their name stays with what it makes."""

from pathlib import Path

import pytest
import torch

import zeromass
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from agent.networks.weights import load_weights, save_weights
from tests.agent.rules.test_games import random_positions
from training.durability.checkpoint import newest_checkpoint
from training.settings import load_settings

TINY = (
    "run.minutes=null run.steps=1 run.name=it network.kind=sparse network.width=64 network.hidden=32 selfplay.actors=0 "
    "selfplay.games=8 selfplay.ply_cap=12 learner.batch_size=32 learner.learning_rate=1e-9 "
    "learner.final_learning_rate=0 replay.warmup=64 evaluation.games=0"
)


def train(weights: Path, more: str) -> int:
    return zeromass.main(["train", *TINY.split(), f"network.weights={weights}", *more.split()])


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(99)
    path = tmp_path / "before.safetensors"
    save_weights(path, SparseNetwork(SparseArchitecture(width=64, hidden=32)), {})
    return path


def test_training_begins_with_the_file(weights: Path) -> None:
    assert train(weights, "log.steps=1") == 0
    path, _, _ = newest_checkpoint(Path("runs/it/checkpoints"))
    after = load_weights(path / "weights.safetensors")
    before = load_weights(weights).network.state_dict()
    assert all(torch.allclose(before[name], tensor, atol=1e-6) for name, tensor in after.network.state_dict().items())
    assert after.network.architecture == SparseArchitecture(width=64, hidden=32)
    assert after.provenance["began_with"] == "before.safetensors"


def test_a_wider_network_begins_with_the_same_judgement(weights: Path) -> None:
    small = load_weights(weights).network
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.normal_(std=0.3)
    save_weights(weights, small, {})
    assert train(weights, "network.width=128 network.hidden=96") == 0
    path, _, _ = newest_checkpoint(Path("runs/it/checkpoints"))
    large, packed = load_weights(path / "weights.safetensors").network, random_positions(200, seed=1)
    assert large.architecture == SparseArchitecture(width=128, hidden=96)
    for one, other in zip(small.dense(packed), large.dense(packed), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("more", ["network.width=128 network.hidden=32", "network.kind=residual"])
def test_a_narrower_network_and_another_kind(weights: Path, capsys: pytest.CaptureFixture[str], more: str) -> None:
    save_weights(weights, SparseNetwork(SparseArchitecture(width=64, hidden=64)), {})
    assert train(weights, more) == 2
    held = SparseArchitecture(width=64, hidden=64)
    asked = load_settings(None, [*TINY.split(), *more.split()]).network.architecture
    assert f"'{weights}' holds {held}, the settings ask for {asked}; a run keeps" in capsys.readouterr().err
