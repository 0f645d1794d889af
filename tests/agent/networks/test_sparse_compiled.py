"""The compiled evaluator beside torch: the same numbers."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks import bundled
from agent.networks.network import expected_score
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import UNIT
from agent.networks.sparse.evaluator import SparseEvaluator
from agent.networks.sparse.network import SparseNetwork
from tests.agent.positions import PERFT, TRICKY
from tests.agent.rules.test_games import random_positions

ARCHITECTURES = [
    SparseArchitecture(),
    SparseArchitecture(width=64, hidden=32),
    SparseArchitecture(width=320, hidden=96),
]


@pytest.fixture(scope="module")
def positions() -> NDArray[np.uint64]:
    fens = np.stack([rules.from_fen(fen) for fen in (*PERFT, *TRICKY)])
    return np.concatenate([fens, random_positions(10_000 - len(fens), seed=1)])


def trained(architecture: SparseArchitecture, seed: int = 0) -> SparseNetwork:
    """A network whose outputs are as large as a trained one's, and whose first layer needs no rounding."""
    torch.manual_seed(seed)
    network = SparseNetwork(architecture)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return rounded(network)


def rounded(network: SparseNetwork) -> SparseNetwork:
    """With a first layer that needs no rounding."""
    for parameter in network.features.parameters():
        parameter.data = (parameter.data / float(UNIT)).round() * float(UNIT)
    return network


def check_alike(network: SparseNetwork, positions: NDArray[np.uint64], policy: float, value: float) -> float:
    """Logits of legal moves and values of torch and of the evaluator differ by less than `policy` and `value`; spread
    of the logits."""
    _, moves, counts = with_moves(positions)
    logits, values = SparseEvaluator(network).evaluate_legal(positions, moves, counts)
    legal = np.arange(218) < counts[:, None]
    columns = torch.from_numpy(np.where(legal, moves, 0).astype(np.int64))
    with torch.no_grad():
        dense, value_logits = network.dense(positions)
    expected = dense.gather(1, columns).numpy()
    assert np.abs(expected - logits)[legal].max() < policy
    assert np.abs(expected_score(value_logits).numpy() - values).max() < value
    assert (logits[~legal] == 0).all()
    return float(expected[legal].std())


def with_moves(positions: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.int32]]:
    return positions, *rules.legal_moves(positions)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_torch_and_numba_agree(architecture: SparseArchitecture, positions: NDArray[np.uint64]) -> None:
    network = trained(architecture)
    assert len(positions) == 10_000
    for rows in np.array_split(positions, 10):
        assert check_alike(network, rows, 1e-5, 1e-5) > 0.05


def test_the_rounded_first_layer_changes_little(positions: NDArray[np.uint64]) -> None:
    """Of the bundled network; sums beyond the range end there and do not wrap around."""
    network = bundled.find_weights().weights.network
    assert isinstance(network, SparseNetwork)
    check_alike(network, positions[:1000], policy=0.1, value=0.01)
    torch.nn.init.constant_(network.features.weight, 10.0)
    (evaluator := SparseEvaluator(network)).evaluate_legal(*with_moves(positions[:1000]))
    assert (evaluator.compiled.scratch.accumulator == 32767 * UNIT).all()


@pytest.mark.parametrize("bias", [0.0, 2000.0])
def test_outcomes_of_the_last_position_are_those_of_torch(bias: float, positions: NDArray[np.uint64]) -> None:
    """Huge value logits do not overflow."""
    network = trained(SparseArchitecture())
    network.value.bias.data += torch.tensor([bias, -bias, 0.0])
    evaluator = SparseEvaluator(network)
    for position in positions[:300, None]:
        value = float(evaluator.evaluate_legal(*with_moves(position)).values[0])
        with torch.no_grad():
            expected = network.dense(position)[1].softmax(1)[0].tolist()
        assert evaluator.for_search().scratch.wdl.tolist() == pytest.approx(expected, abs=1e-5)
        assert value == pytest.approx(expected[0] - expected[2], abs=1e-5)


def test_arrays_that_do_not_fit_are_refused() -> None:
    evaluator = SparseEvaluator(SparseNetwork())
    positions, moves, counts = with_moves(rules.start(2))
    for arrays, message in (
        ((positions, moves.astype(np.int64), counts), "moves must be uint16"),
        ((positions, moves[:1], counts), "moves must be uint16"),
        ((positions, moves[:, :19], counts), "20 legal moves in 19 columns"),
        ((positions, moves, counts[:1]), "counts"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluator.evaluate_legal(*arrays)
