"""The search in chess: contract of its results, determinism, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.networks.contract import LeafEvaluator, LegalEvaluation
from agent.networks.evaluator import Evaluation, Evaluator
from agent.rules import Games
from agent.search import GumbelSearch, SearchResult, SearchSettings, material_evaluator
from tests.agent.positions import harvest
from tests.agent.search.evaluators import MaterialLeaves, untrained

FENS = [chess.STARTING_FEN, "6k1/5ppp/8/8/8/8/8/R6K w - - 0 1", *harvest(10, seed=4)]  # the second mates at once
SETTINGS = SearchSettings(simulations=48)


def games(fens: list[str] = FENS) -> Games:
    return Games.from_boards([chess.Board(fen) for fen in fens])


def assert_same(one: SearchResult, other: SearchResult) -> None:
    for name, array in one._asdict().items():
        np.testing.assert_array_equal(array, other._asdict()[name], name)


def row(result: SearchResult, game: int) -> list[Any]:
    part = slice(result.offsets[game], result.offsets[game + 1])
    ragged = [array[part].tolist() for array in (result.indices, result.probabilities, result.visits)]
    return [int(result.moves[game]), *ragged, float(result.values[game])]


@pytest.mark.parametrize("simulations", [0, 1, 48])
@pytest.mark.parametrize("network", [material_evaluator(), untrained()], ids=["compiled", "batched"])
def test_contract_of_the_result(network: Any, simulations: int) -> None:
    """Over exactly the legal moves, policies that sum to 1, visits that add up."""
    searched = games()
    before = searched.positions.copy()
    result = GumbelSearch(replace(SETTINGS, simulations=simulations), network).run(searched, np.arange(12), seed=3)
    np.testing.assert_array_equal(searched.positions, before)
    indices, counts = rules.legal_moves(before)
    dense = result.dense()
    assert dense.shape == (12, vocabulary.SIZE)
    for game in range(len(FENS)):
        part = slice(result.offsets[game], result.offsets[game + 1])
        assert result.indices[part].tolist() == indices[game, : counts[game]].tolist()
        assert (np.delete(dense[game], result.indices[part]) == 0.0).all()
        assert result.moves[game] in result.indices[part]
        assert result.probabilities[part].sum() == pytest.approx(1, abs=1e-5)
        assert (result.probabilities[part] >= 0).all()
        assert result.visits[part].sum() in (simulations, 0)
        assert abs(result.values[game]) <= 1


def test_batched_and_compiled_agree_to_the_bit() -> None:
    compiled = GumbelSearch(SETTINGS, material_evaluator()).run(games(), np.arange(12), seed=9)
    assert_same(compiled, GumbelSearch(SETTINGS, MaterialLeaves()).run(games(), np.arange(12), seed=9))


@pytest.mark.parametrize("network", [material_evaluator(), MaterialLeaves()], ids=["compiled", "batched"])
def test_a_move_depends_on_seed_key_and_ply_alone(network: Any) -> None:
    search = GumbelSearch(SETTINGS, network)
    together = search.run(games(), np.arange(12), seed=5)
    order = [1, 7, 2, 11, 0]
    apart = search.run(games([FENS[game] for game in order]), np.array(order), seed=5)
    for place, game in enumerate(order):
        assert row(apart, place) == row(together, game)
    assert_same(together, GumbelSearch(SETTINGS, network).run(games(), np.arange(12), seed=5))


def test_logits_of_illegal_moves_have_no_influence() -> None:
    """NaN and infinities there change not a bit of the result."""

    class Poisoned(Evaluator):
        def evaluate(self, positions: NDArray[np.uint64]) -> Evaluation:
            logits, values = super().evaluate(positions)
            indices, counts = rules.legal_moves(positions)
            poison = torch.tensor([np.nan, np.inf, -np.inf, 1e30]).repeat(len(logits), vocabulary.SIZE // 4)
            for place, count in enumerate(counts.tolist()):
                legal = torch.from_numpy(indices[place, :count].astype(np.int64))
                poison[place, legal] = logits[place, legal]
            return Evaluation(poison, values)

    clean = untrained()
    poisoned = Poisoned(clean._network)
    results = [GumbelSearch(SETTINGS, network).run(games(), np.arange(12)) for network in (clean, poisoned)]
    assert_same(*results)


def test_seed_key_and_ply_change_the_noise() -> None:
    search = GumbelSearch(SearchSettings(simulations=0), material_evaluator())
    same = Games(400)
    moves = [search.run(same, np.arange(400), seed=seed).moves for seed in (1, 2)]
    assert 1 - np.mean(moves[0] == moves[1]) > 0.8
    assert len(set(moves[0].tolist())) == 20
    assert len(set(search.run(same, np.zeros(400, np.int64), seed=1).moves.tolist())) == 1
    moved = Games(400)
    moved.ply[:] = np.arange(400)
    assert len(set(search.run(moved, np.zeros(400, np.int64), seed=1).moves.tolist())) == 20


def test_without_simulations_moves_are_samples_of_the_policy() -> None:
    """Gumbel-max: a capture has one nat more than each other move."""
    board = chess.Board("rnbqkbnr/ppp1pppp/8/3p4/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2")
    batch = Games.from_boards([board] * 4000)
    captured = vocabulary.from_uci("e4d5", black=False)
    legal = board.legal_moves.count()
    result = GumbelSearch(SearchSettings(simulations=0), material_evaluator()).run(batch, np.arange(4000), seed=1)
    expected = np.e / (np.e + legal - 1)
    assert np.mean(result.moves == captured) == pytest.approx(expected, abs=4 * (expected / 4000) ** 0.5)
    assert result.probabilities[result.indices == captured] == pytest.approx(expected)
    still = GumbelSearch(SearchSettings(simulations=0, gumbel_scale=0.0), material_evaluator()).run(batch)
    assert (still.moves == captured).all()


def test_leaves_with_known_values_need_no_network() -> None:
    """Games off lock-step: the batches shrink, none is larger than the games, and few are needed."""
    network = MaterialLeaves()
    GumbelSearch(SETTINGS, network).run(games(), np.arange(12), seed=1)
    assert len(network.batches) <= 49
    assert max(network.batches) <= 12
    assert sorted(network.batches, reverse=True) == network.batches


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spoilt", ["spoil_value", "spoil_logit"])
def test_answers_that_are_no_numbers_are_refused(spoilt: str, bad: float) -> None:
    """A logit of -inf is none of these: the move is impossible. In halves, the third batch is the first half's."""
    for network, blamed in ((MaterialLeaves, 11), (Later, 5)):
        search = GumbelSearch(SETTINGS, network(**{spoilt: bad}))
        if (spoilt, bad) == ("spoil_logit", -np.inf):
            search.run(games())
        else:
            with pytest.raises(ValueError, match=f"a position of game {blamed} is NaN"):
                search.run(games())


def test_answers_of_another_shape_are_refused() -> None:
    class Short(LeafEvaluator):
        def evaluate_legal(self, positions: Any, moves: Any, counts: Any) -> LegalEvaluation:
            shape = len(positions), int(counts.max()) - 1
            return LegalEvaluation(np.zeros(shape, np.float32), np.zeros(len(positions), np.float32))

    with pytest.raises(ValueError, match="the network must give logits"):
        GumbelSearch(SETTINGS, Short()).run(games())


def test_what_callers_may_not_ask() -> None:
    search = GumbelSearch(SETTINGS, material_evaluator())
    with pytest.raises(ValueError, match="game 1 has no legal move: 7k/5Q2/6K1/8/8/8/8/8 b"):
        search.run(games([chess.STARTING_FEN, "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"]))
    with pytest.raises(ValueError, match="keys must be integers"):
        search.run(games(), np.zeros(3, np.int64))
    wrong: dict[str, list[Any]] = {"simulations": [-1, 10**7], "max_considered_actions": [-1], "c_scale": [np.nan]}
    wrong |= {"c_puct": [-1.0], "policy_temperature": [0.0, np.nan], "gumbel_scale": [-1.0]}
    for name, value in ((name, value) for name, values in wrong.items() for value in values):
        with pytest.raises(ValueError, match=name):
            SearchSettings(**{name: value})


def test_no_games() -> None:
    for network in (material_evaluator(), MaterialLeaves()):
        result = GumbelSearch(SETTINGS, network).run(Games(0))
        assert (len(result.moves), result.offsets.tolist()) == (0, [0])


# Searching in two halves, one of which waits while the other walks.


class Later(MaterialLeaves):
    """Answers when listened to; the arrays it was given have changed by then."""

    overlaps = True

    def __init__(self, **spoil: Any) -> None:
        super().__init__(**spoil)
        self.events: list[str] = []

    def ask_legal(self, positions: Any, moves: Any, counts: Any) -> Callable[[], LegalEvaluation]:
        self.events.append("ask")
        copies = positions.copy(), moves.copy(), counts.copy()

        def wait() -> LegalEvaluation:
            self.events.append("wait")
            return self.evaluate_legal(*copies)

        return wait


def test_halves_find_what_the_whole_finds() -> None:
    """To the bit, in memory kept from larger searches; one of the games mates at once and asks for nothing."""
    search = GumbelSearch(SETTINGS, Later())
    for count in (12, 5, 3, 2, 1):
        some, keys = games(FENS[:count]), np.arange(count)
        whole = GumbelSearch(SETTINGS, MaterialLeaves()).run(some, keys, seed=3)
        assert_same(search.run(some, keys, seed=3), whole)


def test_one_half_is_under_way_while_the_other_walks() -> None:
    network = Later()
    GumbelSearch(SETTINGS, network).run(Games(6), np.arange(6))
    assert network.events[:5] == ["ask", "ask", "wait", "ask", "wait"]
    under_way = np.cumsum([1 if event == "ask" else -1 for event in network.events])
    assert under_way.max() == 2
    assert (under_way[:-3] >= 1).all()
    assert under_way[-1] == 0


def test_who_does_not_overlap_is_asked_as_a_whole() -> None:
    network = Later()
    network.overlaps = False
    GumbelSearch(SETTINGS, network).run(Games(6))
    assert network.events[:4] == ["ask", "wait", "ask", "wait"]
    assert network.batches[0] == 6
