"""CUDA graphs against eager float32 on the CPU: same answers at any batch size, with whatever weights come."""

import copy
from typing import Final

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.registry import make_evaluator
from agent.networks.residual.evaluator import GraphEvaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings
from tests.agent.positions import harvest

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
ARCHITECTURE = ResidualArchitecture(blocks=2, channels=32)
TOLERANCE: Final = 0.05  # of activations of size 1 in bfloat16, which keeps 8 bits


def network(seed: int) -> ResidualNetwork:
    """A network in which every part counts: a fresh one has residual branches of scale 0."""
    torch.manual_seed(seed)
    fresh = ResidualNetwork(ARCHITECTURE)
    for name, parameter in fresh.named_parameters():
        if parameter.ndim == 0 or "policy_planes" in name or "value_out" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return fresh


@pytest.fixture(scope="module")
def positions() -> NDArray[np.uint64]:
    return np.stack([rules.from_board(chess.Board(fen)) for fen in harvest(150, seed=8)])


@pytest.mark.parametrize("count", [0, 1, 16, 17, 64, 65, 150])
def test_answers_are_those_of_the_cpu(count: int, positions: NDArray[np.uint64]) -> None:
    shared = network(1)
    expected = Evaluator(copy.deepcopy(shared)).evaluate(positions[:count])
    found = GraphEvaluator(shared, batch_size=64).evaluate(positions[:count])
    assert [each.shape for each in found] == [each.shape for each in expected]
    if count:
        size = max(float(expected.logits.std()), 1.0)
        assert (found.logits.cpu() - expected.logits).abs().max() < TOLERANCE * size
        assert (found.values.cpu() - expected.values).abs().max() < TOLERANCE


def test_new_weights_are_seen_by_graphs_recorded_before(positions: NDArray[np.uint64]) -> None:
    graphs, other = GraphEvaluator(network(1)), network(2)
    before = graphs.evaluate(positions)
    graphs.load(other.state_dict())
    after, expected = graphs.evaluate(positions), GraphEvaluator(copy.deepcopy(other)).evaluate(positions)
    assert all(map(torch.equal, after, expected))
    assert not torch.equal(before.logits, after.logits)


def test_answers_stay_when_the_graph_runs_again(positions: NDArray[np.uint64]) -> None:
    graphs = GraphEvaluator(network(1))
    first = graphs.evaluate(positions[:16])
    kept = first.logits.clone(), first.values.clone()
    graphs.evaluate(positions[16:32])
    assert all(map(torch.equal, first, kept))


def test_a_search_plays_legal_moves_and_mostly_those_found_on_the_cpu(positions: NDArray[np.uint64]) -> None:
    shared, settings = network(1), SearchSettings(simulations=16, gumbel_scale=0.0)
    counts = rules.count_moves(positions)
    games = Games.from_boards([rules.to_board(position) for position in positions[counts > 0]])
    on_cuda = GumbelSearch(settings, GraphEvaluator(copy.deepcopy(shared))).run(games)
    on_cpu = GumbelSearch(settings, Evaluator(shared)).run(games)
    moves, counts = rules.legal_moves(games.positions)
    for game, move in enumerate(on_cuda.moves):
        assert move in moves[game, : counts[game]]
    assert np.array_equal(on_cuda.indices, on_cpu.indices)
    assert (on_cuda.moves == on_cpu.moves).mean() > 0.8  # bfloat16 decides between moves that are nearly level


def test_auto_takes_graphs() -> None:
    assert type(make_evaluator(network(1), "cuda")) is GraphEvaluator
    assert type(make_evaluator(network(1), "cuda", runtime="eager")) is Evaluator
