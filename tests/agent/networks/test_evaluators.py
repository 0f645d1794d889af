"""Both networks behind one face: made, stored, loaded, evaluated, searched."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.evaluators import SparseEvaluator, for_search, make_evaluator
from agent.networks.registry import AnyArchitecture, make_network
from agent.networks.residual.network import Architecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.weights import load_weights, save_weights
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings
from agent.search.batched import NetworkLeaves

ARCHITECTURES = [
    Architecture(blocks=1, channels=8),
    SparseArchitecture(width=64, hidden=32),
    SparseArchitecture(width=64, hidden=32, threats=False, control=True, king_buckets=4, moves=False),
]


def evaluator(architecture: AnyArchitecture, seed: int = 0) -> Evaluator:
    torch.manual_seed(seed)
    return make_evaluator(make_network(architecture))


@pytest.fixture(params=ARCHITECTURES, ids=["residual", "sparse", "sparse with other switches"])
def architecture(request: pytest.FixtureRequest) -> AnyArchitecture:
    chosen: AnyArchitecture = request.param
    return chosen


def test_weights_files_hold_either_network(architecture: AnyArchitecture, tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = make_network(architecture)
    save_weights(tmp_path / "w.safetensors", network, {"step": "1"})
    loaded = load_weights(tmp_path / "w.safetensors").network
    assert loaded.architecture == architecture
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def test_loading_other_weights_changes_every_answer(architecture: AnyArchitecture) -> None:
    one, two = evaluator(architecture, 0), evaluator(architecture, 1)
    games = Games(3)
    before = GumbelSearch(SearchSettings(simulations=4), for_search(one)).run(games)
    torch.manual_seed(1)
    one.load(make_network(architecture).state_dict())
    assert torch.equal(one.evaluate(games.positions).logits, two.evaluate(games.positions).logits)
    searched = [GumbelSearch(SearchSettings(simulations=4), for_search(each)).run(games) for each in (one, two)]
    assert np.array_equal(searched[0].probabilities, searched[1].probabilities)
    assert not np.array_equal(before.probabilities, searched[0].probabilities)


def test_compiled_search_finds_what_batched_search_finds_with_the_same_network() -> None:
    """The compiled network inside the search, against torch's answers handed to it from outside."""
    sparse = evaluator(SparseArchitecture(width=64, hidden=32))
    assert isinstance(sparse, SparseEvaluator)
    games = Games.from_boards(
        [rules.to_board(rules.from_fen(fen)) for fen in (
            "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
            "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
        )]
    )  # fmt: skip
    settings = SearchSettings(simulations=24)
    compiled = GumbelSearch(settings, sparse.compiled).run(games, [1, 2], 3)
    batched = GumbelSearch(settings, NetworkLeaves(sparse)).run(games, [1, 2], 3)
    assert np.array_equal(compiled.moves, batched.moves)
    assert np.array_equal(compiled.visits, batched.visits)
    assert np.allclose(compiled.probabilities, batched.probabilities, atol=1e-4)
    assert np.allclose(compiled.values, batched.values, atol=1e-4)
