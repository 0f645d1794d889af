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


@pytest.mark.parametrize("replies", [False, True])
def test_training_begins_with_the_file_and_may_begin_to_see_replies(weights: Path, replies: bool) -> None:
    assert train(weights, f"network.replies={replies}") == 0
    path, _, _ = newest_checkpoint(Path("runs/it/checkpoints"))
    after = load_weights(path / "weights.safetensors")
    before = load_weights(weights).network.state_dict()
    assert all(torch.allclose(before[name], tensor, atol=1e-6) for name, tensor in after.network.state_dict().items())
    assert after.network.architecture == SparseArchitecture(width=64, hidden=32, replies=replies)
    assert after.provenance["began_with"] == "before.safetensors"


@pytest.mark.parametrize(("sees_replies", "more"), [(False, "network.width=128"), (True, "network.replies=false")])
def test_another_network(weights: Path, sees_replies: bool, more: str, capsys: pytest.CaptureFixture[str]) -> None:
    held = SparseArchitecture(width=64, hidden=32, replies=sees_replies)
    save_weights(weights, SparseNetwork(held), {})
    assert train(weights, more) == 2
    sentence = capsys.readouterr().err
    assert f"'{weights}' holds {held}, the settings ask for" in sentence
    assert "a run keeps the network that it begins or goes on with" in sentence
