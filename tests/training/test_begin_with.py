"""A run may begin with the weights of a file: they are what it starts from, and their name stays with what it makes."""

from pathlib import Path

import pytest
import torch

import zeromass
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from agent.networks.weights import load_weights, save_weights
from training.durability.checkpoint import newest_checkpoint

TINY = (
    "run.minutes=null run.steps=1 run.name=it network.kind=sparse network.width=64 network.hidden=32 selfplay.actors=0 "
    "selfplay.games=8 selfplay.ply_cap=12 learner.batch_size=32 learner.learning_rate=1e-9 "
    "learner.final_learning_rate=0 replay.warmup=64 evaluation.games=0"
)


def train(weights: Path, more: str) -> int:
    return zeromass.main(["train", *TINY.split(), f"network.weights={weights}", more])


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


def test_another_network(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(weights, "network.width=128") == 2
    held, asked = SparseArchitecture(width=64, hidden=32), SparseArchitecture(width=128, hidden=32)
    assert f"'{weights}' holds {held}, the settings ask for {asked}; a run keeps" in capsys.readouterr().err
