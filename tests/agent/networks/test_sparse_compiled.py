"""The compiled evaluator beside torch: the same numbers."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules
from agent.compilation import njit
from agent.networks.evaluator import CompiledEvaluator
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import SparseParameters, SparseScratch, evaluate
from agent.networks.sparse.evaluator import copy_weights, evaluate_batch, untrained
from agent.networks.sparse.network import SparseNetwork
from tests.agent.positions import PERFT, TRICKY
from tests.agent.rules.test_games import random_positions

ARCHITECTURES = [
    SparseArchitecture(),
    SparseArchitecture(width=64, hidden=32, replies=True),
    SparseArchitecture(width=320, hidden=96),
]


@pytest.fixture(scope="module")
def positions() -> NDArray[np.uint64]:
    fens = np.stack([rules.from_fen(fen) for fen in (*PERFT, *TRICKY)])
    return np.concatenate([fens, random_positions(10_000 - len(fens), seed=1)])


def trained(architecture: SparseArchitecture, seed: int = 0) -> SparseNetwork:
    """A network whose outputs are as large as a trained one's."""
    torch.manual_seed(seed)
    network = SparseNetwork(architecture)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return network


def compiled(network: SparseNetwork) -> CompiledEvaluator:
    made = untrained(network.architecture)
    copy_weights(network, made)
    return made


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_torch_and_numba_agree_on_ten_thousand_positions(
    architecture: SparseArchitecture, positions: NDArray[np.uint64]
) -> None:
    network = trained(architecture)
    moves, counts = rules.legal_moves(positions)
    logits, outcomes = evaluate_batch(positions, moves, counts, compiled(network))
    columns = np.where(np.arange(218) < counts[:, None], moves, 0).astype(np.int64)
    differences, spread = [], []
    for rows in np.array_split(np.arange(len(positions)), 10):
        with torch.no_grad():
            dense, value = network.dense(positions[rows])
        expected = dense.gather(1, torch.from_numpy(columns[rows])).numpy()
        legal = np.arange(218) < counts[rows, None]
        differences.append(np.abs(expected - logits[rows])[legal].max())
        differences.append(np.abs(value.softmax(1).numpy() - outcomes[rows]).max())
        spread.append(expected[legal].std())
    assert len(positions) == 10_000
    assert max(differences) < 1e-5
    assert min(spread) > 0.05
    assert (logits[np.arange(218) >= counts[:, None]] == 0).all()


@njit
def walk(
    position: NDArray[np.uint64],
    moves: NDArray[np.uint16],
    count: np.int64,
    parameters: SparseParameters,
    scratch: SparseScratch,
    logits: NDArray[np.float32],
) -> np.float32:
    return evaluate(position, moves, count, parameters, scratch, logits)


def test_compiled_callers_get_the_same_numbers_one_by_one(positions: NDArray[np.uint64]) -> None:
    """Whatever is in the batch: bit for bit."""
    architecture = SparseArchitecture()
    network = compiled(trained(architecture))
    moves, counts = rules.legal_moves(positions[:300])
    logits, outcomes = evaluate_batch(positions[:300], moves, counts, network)
    for row in reversed(range(300)):
        alone = np.zeros(218, np.float32)
        value = walk(positions[row], moves[row], np.int64(counts[row]), network.parameters, network.scratch, alone)
        assert (alone == logits[row]).all()
        assert (network.scratch.wdl == outcomes[row]).all()
        assert abs(value - (outcomes[row, 0] - outcomes[row, 2])) < 1e-6
    assert np.allclose(outcomes.sum(1), 1, atol=1e-6)


def test_a_position_without_moves_has_a_value() -> None:
    architecture = SparseArchitecture()
    mate = rules.from_fen("7k/6Q1/6K1/8/8/8/8/8 b - - 0 1")[None]
    moves, counts = rules.legal_moves(mate)
    assert counts.tolist() == [0]
    logits, outcomes = evaluate_batch(mate, moves, counts, compiled(trained(architecture)))
    assert not logits.any()
    assert np.isfinite(outcomes).all()


def test_huge_value_logits_do_not_overflow() -> None:
    architecture = SparseArchitecture()
    network = trained(architecture)
    with torch.no_grad():
        network.value.bias.copy_(torch.tensor([2000.0, -2000.0, 0.0]))
    moves, counts = rules.legal_moves(rules.start(1))
    outcomes = evaluate_batch(rules.start(1), moves, counts, compiled(network))[1]
    assert outcomes.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("architecture", ARCHITECTURES[:2], ids=str)
def test_new_weights_are_copied_in_place(architecture: SparseArchitecture) -> None:
    start = rules.start(1)
    moves, counts = rules.legal_moves(start)
    first, second = (trained(architecture, seed) for seed in (1, 2))
    network = compiled(first)
    arrays = [id(array) for array in network.parameters]
    before = evaluate_batch(start, moves, counts, network)[0]
    copy_weights(second, network)
    after = evaluate_batch(start, moves, counts, network)[0]
    assert arrays == [id(array) for array in network.parameters]
    assert (before != after).any()
    assert (after == evaluate_batch(start, moves, counts, compiled(second))[0]).all()


def test_arrays_that_do_not_fit_are_refused() -> None:
    network = untrained(SparseArchitecture())
    moves, counts = rules.legal_moves(rules.start(2))
    with pytest.raises(ValueError, match="moves"):
        evaluate_batch(rules.start(2), moves.astype(np.int64), counts, network)
    with pytest.raises(ValueError, match="counts"):
        evaluate_batch(rules.start(2), moves, counts[:1], network)
