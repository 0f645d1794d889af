"""Compact lanes of logits must mean what the whole vocabulary means, to losses and to the meter."""

import pytest
import torch

from agent import rules, vocabulary
from agent.networks.meter import InvalidMassError, InvalidMassMeter
from agent.networks.policy import MaskedPolicy
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from kernels import RaggedTargets, masked_cross_entropy
from tests.agent.networks.test_sparse_compiled import trained
from tests.training.records import sampled, searched
from training.replay import Batch


@pytest.fixture
def network() -> SparseNetwork:
    return trained(SparseArchitecture(width=64, hidden=32))


@pytest.fixture
def batch() -> Batch:
    return sampled([searched(40, seed=seed) for seed in range(3)], 64, entries_per_ply=40)


def test_lanes_give_the_loss_of_the_whole_vocabulary(network: SparseNetwork, batch: Batch) -> None:
    """That of ragged targets; each lane's logit is compared in test_kinds."""
    output, (logits, _) = network.predict(batch.positions), network.dense(batch.positions)
    policies = batch.policies
    ragged = [*map(torch.from_numpy, (policies.offsets, policies.indices, policies.probabilities))]
    one = masked_cross_entropy(output.logits, output.targets(*ragged), legal=output.legal)
    legal = torch.from_numpy(rules.legal_bits(batch.positions))
    two = masked_cross_entropy(logits, RaggedTargets(*ragged), legal=legal)
    assert torch.allclose(one, two, atol=1e-5)


def test_the_meter_reads_lanes_by_their_moves(network: SparseNetwork, batch: Batch) -> None:
    output = network.predict(batch.positions)
    probabilities = MaskedPolicy(output.logits, output.legal).probabilities
    assert output.indices is not None
    meter = InvalidMassMeter()
    assert meter.check(probabilities, batch.positions, indices=output.indices) == 0.0
    assert meter.reading.distributions == len(probabilities)
    black = bool(rules.is_black(batch.positions)[5])
    for wrong in (0, vocabulary.SIZE - 1):  # a1b1 is nowhere legal here, nor is the last promotion
        moved = output.indices.clone()
        moved[5, 0] = wrong
        with pytest.raises(InvalidMassError, match=f"illegal move {vocabulary.to_uci(wrong, black=black)} "):
            InvalidMassMeter(oracle_rows=0).check(probabilities, batch.positions, indices=moved)
    for value in (torch.nan, torch.inf):
        probabilities[3, -1] = value
        with pytest.raises(InvalidMassError):
            InvalidMassMeter(oracle_rows=0).check(probabilities, batch.positions, indices=output.indices)


@pytest.mark.parametrize("oracle_rows", [0, 64])
def test_lanes_and_whole_vocabulary_read_alike(network: SparseNetwork, batch: Batch, oracle_rows: int) -> None:
    """The classic bug, a softmax over all lanes, the empty ones at logit 0: the same sentence both ways."""
    output = network.predict(batch.positions)
    assert output.indices is not None
    probabilities = torch.softmax(output.logits, 1)
    room = torch.zeros(len(probabilities), vocabulary.SIZE + 1)
    dense = room.scatter_add(1, output.indices, probabilities)
    sentences = []
    for given, indices in ((probabilities, output.indices), (dense, None)):
        with pytest.raises(InvalidMassError, match=r"invalid mass 0\.\d+") as caught:
            InvalidMassMeter(oracle_rows=oracle_rows).check(given, batch.positions, indices=indices)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


def test_a_policy_of_other_moves_is_refused(network: SparseNetwork, batch: Batch) -> None:
    policies = batch.policies
    arrays = policies.offsets, policies.indices[::-1].copy(), policies.probabilities
    with pytest.raises(ValueError, match="does not list the legal moves"):
        network.predict(batch.positions).targets(*map(torch.from_numpy, arrays))
