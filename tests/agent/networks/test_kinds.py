"""The contract that every kind of network keeps: made from settings, stored, loaded, evaluated, searched."""

import dataclasses
from pathlib import Path

import chess
import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.networks.contract import Architecture, CompiledEvaluator
from agent.networks.evaluator import Evaluator
from agent.networks.network import expected_score
from agent.networks.registry import KINDS, architecture_of, make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.settings import NetworkSettings
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from agent.networks.weights import load_weights, save_weights
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings, material_evaluator
from tests.agent.networks.test_sparse_compiled import rounded
from tests.agent.positions import PERFT
from tests.agent.rules.test_games import random_positions

ARCHITECTURES = [ResidualArchitecture(blocks=1, channels=8), SparseArchitecture(width=64, hidden=32)]


def evaluator(architecture: Architecture, seed: int = 0) -> Evaluator:
    """With weights so large that every part of the network counts."""
    torch.manual_seed(seed)
    network = make_network(architecture)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return make_evaluator(rounded(network) if isinstance(network, SparseNetwork) else network)


@pytest.fixture(params=ARCHITECTURES, ids=str)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    chosen: Architecture = request.param
    return chosen


def test_settings_name_every_kind_and_its_sizes() -> None:
    assert {architecture.kind for architecture in ARCHITECTURES} == set(KINDS)  # all are tested here
    for name in KINDS:
        settings = NetworkSettings.model_validate({"kind": name})
        assert settings.architecture == architecture_of(name)()
    chosen = NetworkSettings(kind="sparse", width=128, hidden=32)
    assert chosen.architecture == SparseArchitecture(width=128, hidden=32)


def test_metadata_describe_the_architecture(architecture: Architecture) -> None:
    metadata = architecture.metadata()
    assert metadata["architecture"] in KINDS
    assert type(architecture).from_metadata(metadata) == architecture
    for field in dataclasses.fields(architecture):
        with pytest.raises(ValueError, match="maybe"):
            type(architecture).from_metadata({**metadata, field.name: "maybe"})


def test_weights_files_hold_every_kind(architecture: Architecture, tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = make_network(architecture).train()
    path = tmp_path / "weights.safetensors"
    save_weights(path, network, {"run": "test", "step": "7"})
    loaded = load_weights(path)
    assert (loaded.network.architecture, loaded.provenance) == (architecture, {"run": "test", "step": "7"})
    assert not loaded.network.training
    assert loaded.network.state_dict().keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.network.state_dict()[name])
    searched, same = loaded.for_search(), make_evaluator(network).for_search()
    if isinstance(searched, CompiledEvaluator) and isinstance(same, CompiledEvaluator):
        assert all(map(np.array_equal, searched.parameters, same.parameters))
    assert list(tmp_path.iterdir()) == [path]


def test_a_fresh_network_is_nearly_indifferent(architecture: Architecture) -> None:
    torch.manual_seed(0)
    found = make_network(architecture).predict(random_positions(100))
    assert found.value_logits.shape == (100, 3)
    assert found.logits.std() < 0.2
    assert expected_score(found.value_logits).abs().max() < 0.1


def test_predictions_are_the_dense_logits_of_legal_moves(architecture: Architecture) -> None:
    network, positions = evaluator(architecture)._network, random_positions(40)
    with torch.no_grad():
        found, (logits, value_logits) = network.predict(positions), network.dense(positions)
    torch.testing.assert_close(found.value_logits, value_logits)
    moves, counts = rules.legal_moves(positions)
    for row, count in enumerate(counts.tolist()):
        for move in moves[row, :count].tolist():
            lane = int(found.lanes(torch.full((40,), move))[row])
            assert float(found.logits[row, lane]) == pytest.approx(float(logits[row, move]), abs=1e-4)


def test_loading_other_weights_changes_every_answer(architecture: Architecture) -> None:
    """Also those of a search that was made before."""
    one, two = evaluator(architecture, 0), evaluator(architecture, 1)
    games = Games(3)
    searches = [GumbelSearch(SearchSettings(simulations=4), each.for_search()) for each in (one, two)]
    before = searches[0].run(games)
    one.load(two._network.state_dict())
    assert torch.equal(one.evaluate(games.positions).logits, two.evaluate(games.positions).logits)
    searched = [search.run(games) for search in searches]
    assert np.array_equal(searched[0].probabilities, searched[1].probabilities)
    assert not np.array_equal(before.probabilities, searched[0].probabilities)


def test_a_rows_answer_does_not_depend_on_its_batch(architecture: Architecture) -> None:
    """To the bit on a CPU, or one seed would not play the same games twice."""
    asked, positions = evaluator(architecture), random_positions(64)
    moves, counts = rules.legal_moves(positions)
    whole = asked.evaluate_legal(positions, moves, counts)
    for low, high in ((0, 1), (3, 5), (1, 17), (8, 41), (1, 64)):
        part = asked.evaluate_legal(positions[low:high], moves[low:high], counts[low:high])
        assert np.array_equal(part.values, whole.values[low:high])
        for row in range(low, high):
            count = counts[row]
            assert np.array_equal(part.logits[row - low, :count], whole.logits[row, :count])
    assert asked.evaluate_legal(positions[:0], moves[:0], counts[:0]).values.size == 0


def test_large_batches_are_cut_evenly(architecture: Architecture) -> None:
    network, positions = evaluator(architecture)._network, random_positions(7)
    whole, parts = Evaluator(network).evaluate(positions), Evaluator(network, batch_size=3).evaluate(positions)
    assert torch.allclose(whole.logits, parts.logits, atol=1e-5)
    assert torch.allclose(whole.values, parts.values, atol=1e-6)
    assert Evaluator(network).evaluate(positions[:0]).logits.shape == (0, vocabulary.SIZE)


def test_compiled_search_finds_what_batched_search_finds_with_the_same_network() -> None:
    """The compiled network inside the search, against torch's answers handed to it from outside."""
    sparse = evaluator(SparseArchitecture(width=64, hidden=32))
    games = Games.from_boards([chess.Board(fen) for fen in [*PERFT][1:3]])
    settings = SearchSettings(simulations=24)
    GumbelSearch(settings, material_evaluator()).run(games)  # whose machine code is another
    compiled = GumbelSearch(settings, sparse.for_search()).run(games, [1, 2], 3)
    batched = GumbelSearch(settings, Evaluator(sparse._network)).run(games, [1, 2], 3)
    for name in ("moves", "visits", "probabilities", "values"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(batched, name), atol=1e-4, rtol=1e-5)
