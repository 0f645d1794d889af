"""The live audit against plain softmax in float64."""

import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.networks.network import Network
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from tests.agent.rules.oracle import expected_moves
from tests.training.records import record
from training.monitoring.figures import dense_logits, leak_row, policy_now


def networks() -> list[Network]:
    torch.manual_seed(3)
    return [ResidualNetwork(ResidualArchitecture(1, 8)), SparseNetwork(SparseArchitecture(width=64, hidden=32))]


@pytest.mark.parametrize("network", networks(), ids=["residual", "sparse"])
def test_mass_of_each_way(network: Network) -> None:
    positions = record(16, seed=6).positions
    logits = dense_logits(network, positions).double().numpy()
    legal = np.zeros((16, vocabulary.SIZE), bool)
    for row, position in enumerate(positions):
        legal[row, expected_moves(rules.to_board(position))] = True

    def mass(scores: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[float]:
        weights = np.exp(scores - scores.max(1, keepdims=True))
        return [float(value) for value in (weights * ~legal).sum(1) / weights.sum(1)]

    found_row = leak_row(network, positions)
    for name, found in (("multiplied", mass(logits * legal)), ("unmasked", mass(logits))):
        assert found_row[f"leak/{name}_max"] == pytest.approx(max(found), abs=1e-5)
        assert found_row[f"leak/{name}_mean"] == pytest.approx(np.mean(found), abs=1e-5)
    assert found_row["leak/kernel_max"] == found_row["leak/kernel_mean"] == 0.0
    probabilities = policy_now(network, positions)
    assert (probabilities[~legal] == 0).all()
    assert probabilities.sum(1) == pytest.approx(np.ones(16), abs=1e-5)


@pytest.mark.parametrize("network", networks(), ids=["residual", "sparse"])
def test_looking_changes_nothing(network: Network) -> None:
    """Not even the running statistics of a network that is being trained, nor its gradients."""
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(0)
    state = torch.get_rng_state()
    leak_row(network, record(8).positions)
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
