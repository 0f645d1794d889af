"""The learner's two ways through a network: compact lanes must mean what the whole vocabulary means."""

import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.meter import InvalidMassError, InvalidMassMeter
from agent.networks import make_network
from agent.policy import MaskedPolicy
from agent.sparse_architecture import SparseArchitecture
from agent.sparse_network import SparseNetwork
from kernels import RaggedTargets, masked_cross_entropy, masked_policy_terms
from selfplay.record import RaggedPolicy
from tests.training.records import searched
from training.forward import forward
from training.replay import Batch, Replay
from training.targets import targets

CPU = torch.device("cpu")


@pytest.fixture
def network() -> SparseNetwork:
    torch.manual_seed(0)
    made = make_network(SparseArchitecture(width=64, hidden=32))
    assert isinstance(made, SparseNetwork)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


@pytest.fixture
def batch() -> Batch:
    replay = Replay(200, entries_per_ply=40, searched_only=True)
    for seed in range(3):
        game = searched(40, seed=seed)
        replay.add(game, targets(game, adjudication=0.0, gae_lambda=0.9))
    return replay.sample(64, np.random.default_rng(0))


def test_lanes_give_the_losses_of_the_whole_vocabulary(network: SparseNetwork, batch: Batch) -> None:
    output = forward(network, batch.positions, CPU)
    logits, value_logits = network.dense(batch.positions)
    packed = torch.from_numpy(rules.legal_bits(batch.positions))
    moves = torch.from_numpy(batch.moves)
    compact = masked_policy_terms(output.logits, output.lanes(moves), legal=output.legal)
    dense = masked_policy_terms(logits, moves, legal=packed)
    assert torch.allclose(compact.log_prob, dense.log_prob, atol=1e-5)
    assert torch.allclose(compact.entropy, dense.entropy, atol=1e-5)
    assert torch.allclose(output.value_logits, value_logits, atol=1e-6)
    policies = batch.policies
    ragged = RaggedTargets(*map(torch.from_numpy, (policies.offsets, policies.indices, policies.probabilities)))
    one = masked_cross_entropy(output.logits, output.policies(policies), legal=output.legal)
    two = masked_cross_entropy(logits, ragged, legal=packed)
    assert torch.allclose(one, two, atol=1e-5)


def test_dense_probabilities_stand_on_their_moves(network: SparseNetwork, batch: Batch) -> None:
    output = forward(network, batch.positions, CPU)
    spread = output.dense(MaskedPolicy(output.logits, output.legal).probabilities)
    packed = torch.from_numpy(rules.legal_bits(batch.positions))
    expected = MaskedPolicy(network.dense(batch.positions)[0], packed).probabilities
    assert torch.allclose(spread[:, : vocabulary.SIZE], expected, atol=1e-6)
    assert torch.equal(spread[:, vocabulary.SIZE], torch.zeros(64))
    assert InvalidMassMeter().check(spread, batch.positions) == 0.0


def test_mass_on_a_lane_that_is_no_move_is_seen(network: SparseNetwork, batch: Batch) -> None:
    """The compact form of the classic bug: a softmax over all lanes, the empty ones at logit 0."""
    output = forward(network, batch.positions, CPU)
    with pytest.raises(InvalidMassError, match=r"invalid mass 0\.\d+"):
        InvalidMassMeter(oracle_rows=0).check(output.dense(torch.softmax(output.logits, 1)), batch.positions)


def test_a_policy_of_other_moves_is_refused(network: SparseNetwork, batch: Batch) -> None:
    policies = batch.policies
    other = RaggedPolicy(policies.offsets, policies.indices[::-1].copy(), policies.probabilities)
    with pytest.raises(ValueError, match="does not list the legal moves"):
        forward(network, batch.positions, CPU).policies(other)
