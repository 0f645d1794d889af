"""The packed runtime against eager torch: same answers, whatever else is in the batch, with whatever weights."""

import copy
from typing import Any

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.networks.evaluator import Evaluator
from agent.networks.residual.loops import write_planes
from agent.networks.residual.network import Architecture, Network
from agent.networks.residual.packed import PackedEvaluator, packed_dtypes
from agent.networks.residual.planes import PLANES, planes
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings
from tests.agent.positions import harvest

pytestmark = pytest.mark.skipif(not packed_dtypes(), reason="this torch has no oneDNN")
NO_BFLOAT16 = pytest.mark.skipif(torch.bfloat16 not in packed_dtypes(), reason="no bfloat16 convolutions here")
DTYPES = [torch.float32, pytest.param(torch.bfloat16, marks=NO_BFLOAT16)]
# Of activations of size 1: bfloat16 keeps 8 bits, float32 sums in another order.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.05}


def network(seed: int = 0, architecture: Architecture | None = None) -> Network:
    """A network in which every part has a say: a fresh one has residual branches of scale 0."""
    torch.manual_seed(seed)
    fresh = Network(architecture or Architecture(blocks=2, channels=24))
    for name, parameter in fresh.named_parameters():
        if parameter.ndim == 0 or "policy_planes" in name or "value_out" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return fresh


@pytest.fixture(scope="module")
def positions() -> NDArray[np.uint64]:
    games = [rules.from_board(chess.Board(fen)) for fen in harvest(60, seed=8)]
    repeated = Games(1)
    for move in ("g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6"):
        black = bool(rules.is_black(repeated.positions)[0])
        repeated.play([vocabulary.from_uci(move, black=black)])
        games.append(repeated.positions[0].copy())
    return np.stack(games)


@pytest.mark.parametrize("words", [np.float32, np.uint16], ids=["float32", "bfloat16"])
def test_planes_are_those_of_the_network_channels_last(positions: NDArray[np.uint64], words: type[np.generic]) -> None:
    out: NDArray[Any] = np.full((len(positions), 64 * PLANES), 7, words)
    write_planes(positions, out)
    expected = torch.from_numpy(planes(positions)).permute(0, 2, 3, 1).flatten(1)
    if words is np.uint16:
        assert torch.equal(torch.from_numpy(out).view(torch.bfloat16), expected.to(torch.bfloat16))
    else:
        np.testing.assert_array_equal(out, expected.numpy())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("architecture", [Architecture(0, 8), Architecture(2, 24), Architecture(1, 40)], ids=str)
def test_answers_are_eager_torchs(
    architecture: Architecture, dtype: torch.dtype, positions: NDArray[np.uint64]
) -> None:
    shared = network(1, architecture)
    packed, eager = PackedEvaluator(copy.deepcopy(shared), dtype=dtype), Evaluator(shared)
    found, expected = packed.evaluate(positions), eager.evaluate(positions)
    size = float(expected.logits.std())
    assert (found.logits - expected.logits).abs().max() < TOLERANCE[dtype] * max(size, 1)
    assert (found.values - expected.values).abs().max() < TOLERANCE[dtype]
    assert float(expected.values.std()) > 1e-3


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_legal_logits_are_those_of_all_moves(dtype: torch.dtype, positions: NDArray[np.uint64]) -> None:
    packed = PackedEvaluator(network(), dtype=dtype, batch_size=24)
    moves, counts = rules.legal_moves(positions)
    every, legal = packed.evaluate(positions), packed.evaluate_legal(positions, moves, counts)
    # The last layer over all moves rounds its weights and results to bfloat16, the one over legal moves does not.
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    for row, count in enumerate(counts.tolist()):
        expected = every.logits.numpy()[row, moves[row, :count]]
        np.testing.assert_allclose(legal.logits[row, :count], expected, atol=tolerance)
    np.testing.assert_array_equal(legal.values, every.values.numpy())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_rows_answer_does_not_depend_on_its_batch(dtype: torch.dtype, positions: NDArray[np.uint64]) -> None:
    packed = PackedEvaluator(network(), dtype=dtype, batch_size=512)
    moves, counts = rules.legal_moves(positions)
    whole = packed.evaluate_legal(positions, moves, counts)
    order = np.random.default_rng(0).permutation(len(positions))
    for size in (1, 2, 7, 16, 33, len(positions)):
        rows = order[:size]
        part = packed.evaluate_legal(positions[rows], moves[rows], counts[rows])
        np.testing.assert_array_equal(part.values, whole.values[rows])
        for place, row in enumerate(rows.tolist()):
            count = counts[row]
            np.testing.assert_array_equal(part.logits[place, :count], whole.logits[row, :count])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_other_weights_take_the_place_of_the_first(dtype: torch.dtype, positions: NDArray[np.uint64]) -> None:
    one, other = PackedEvaluator(network(1), dtype=dtype), PackedEvaluator(network(2), dtype=dtype)
    before = one.evaluate(positions)
    one.load(network(2).state_dict())
    after, expected = one.evaluate(positions), other.evaluate(positions)
    assert torch.equal(after.logits, expected.logits)
    assert torch.equal(after.values, expected.values)
    assert not torch.equal(before.logits, after.logits)


@pytest.mark.parametrize("name", ["stem.weight", "tower.0.second.bias", "value_out.bias"])
def test_weights_that_are_no_numbers_are_refused_by_the_search(name: str) -> None:
    """Also where a relu would turn NaN into 0."""
    spoilt = network()
    torch.nn.init.constant_(spoilt.get_parameter(name), np.nan)
    with pytest.raises(ValueError, match="is NaN, infinite"):
        GumbelSearch(SearchSettings(simulations=4), PackedEvaluator(spoilt)).run(Games(2))


def test_no_positions() -> None:
    packed = PackedEvaluator(network())
    assert packed.evaluate(rules.start(0)).logits.shape == (0, 1880)
    assert packed.evaluate_legal(rules.start(0), np.zeros((0, 224), np.uint16), np.zeros(0, np.int32)).values.size == 0
