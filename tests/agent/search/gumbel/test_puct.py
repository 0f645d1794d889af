"""PUCT below the root: against the formula in float64, and on trees whose values are known."""

import math
from dataclasses import dataclass, field, replace

import chess
import numpy as np
import pytest

from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings, material_evaluator, playing
from tests.agent.search.evaluators import MaterialLeaves
from tests.agent.search.gumbel.abstract import PUCT, Game, grow


@dataclass
class Place:
    """A node of the reference."""

    state: int
    value: float
    priors: list[float]
    exact: bool
    visits: list[int] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    children: dict[int, "Place"] = field(default_factory=dict)


def place(game: Game, state: int, temperature: float) -> Place:
    count = int(game.legal[state])
    weights = np.exp(game.logits[state, :count].astype(np.float64) / temperature)
    priors = (weights / weights.sum()).tolist()
    return Place(state, float(game.values[state]), priors, bool(game.terminal[state]), [0] * count, [0.0] * count)


def choose(node: Place, c_puct: float) -> int:
    """The formula, over all moves at once."""
    visits, totals, priors = np.array(node.visits), np.array(node.totals), np.array(node.priors)
    if not visits.any():
        return int(np.argmax(priors))
    mean = (node.value + totals.sum()) / (1 + visits.sum())
    values = np.where(visits > 0, totals / np.maximum(visits, 1), mean)
    return int(np.argmax(values + c_puct * math.sqrt(visits.sum()) * priors / (1 + visits)))


def simulate(game: Game, node: Place, c_puct: float, temperature: float, only: int | None = None) -> float:
    """One simulation below `node`; its value for the side to move there."""
    if node.exact:
        return node.value
    move = choose(node, c_puct) if only is None else only
    if move in node.children:
        value = -simulate(game, node.children[move], c_puct, temperature)
    else:
        node.children[move] = place(game, int(game.next[node.state, move]), temperature)
        value = -node.children[move].value
    node.visits[move] += 1
    node.totals[move] += value
    return value


def random_game(rng: np.random.Generator, states: int = 400, actions: int = 6) -> Game:
    """States that lead to later ones, the last tenth of them terminal."""
    nexts = np.minimum(np.arange(states)[:, None] + rng.integers(1, 40, (states, actions)), states - 1)
    terminal = np.arange(states) >= states * 9 // 10
    values = np.where(terminal, rng.choice([-1.0, 0.0, 1.0], states), rng.uniform(-0.5, 0.5, states))
    logits = rng.normal(0, 1.5, (states, actions)).astype(np.float32)
    return Game(nexts, logits, values.astype(np.float32), terminal, rng.integers(2, actions + 1, states))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("temperature", [1.0, 1.4])
def test_visits_are_those_of_the_formula(seed: int, temperature: float) -> None:
    game = random_game(np.random.default_rng(seed))
    # One move considered: all below it is PUCT's.
    grown = grow(game, 0, 600, 1, np.zeros(6, np.float32), PUCT, temperature)
    root = place(game, 0, 1.0)
    first = int(np.argmax(root.priors))
    for _ in range(600):
        simulate(game, root, PUCT.c_puct, temperature, only=first)

    def same(number: int, node: Place) -> int:
        record = grown.nodes[number]
        assert grown.states[number] == node.state
        edges = grown.edges[int(record["first"]) : int(record["first"]) + int(record["count"])]
        order = np.argsort(edges["action"])
        assert edges["visits"][order].tolist() == ([] if node.exact else node.visits)
        return 1 + sum(same(int(edge["child"]), node.children[int(edge["action"])]) for edge in edges if edge["visits"])

    assert same(0, root) == len(grown.states) > 400


def test_the_agent_plays_with_it_and_self_play_does_not() -> None:
    assert playing().c_puct > 0
    assert SearchSettings().c_puct == 0
    games = Games.from_boards([chess.Board()])
    with_it, without = (
        GumbelSearch(SearchSettings(simulations=500, gumbel_scale=0.0, c_puct=c_puct), material_evaluator()).run(games)
        for c_puct in (1.5, 0.0)
    )
    assert with_it.visits.sum() == without.visits.sum() == 500
    assert (with_it.values != without.values).all()


@pytest.mark.parametrize("c_puct", [0.0, 1.2])
def test_the_temperature_is_that_of_every_policy_below_the_root(c_puct: float) -> None:
    """Told to the search, or to a network that answers so: the same."""
    games = Games.from_boards([chess.Board("r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R b KQkq - 3 3")])
    plain = SearchSettings(simulations=200, gumbel_scale=0.0, c_puct=c_puct)
    told = GumbelSearch(replace(plain, policy_temperature=2.0), MaterialLeaves()).run(games)
    answered = GumbelSearch(plain, MaterialLeaves(temperature=2.0)).run(games)
    neither = GumbelSearch(plain, MaterialLeaves()).run(games)
    assert told.visits.tolist() == answered.visits.tolist()
    np.testing.assert_allclose(told.values, answered.values, atol=1e-6)
    assert abs(told.values[0] - neither.values[0]) > 1e-4


def test_matches_consider_few_moves_where_simulations_are_few() -> None:
    wanted = {1: 2, 16: 2, 64: 3, 800: 8, 4000: 13, 100_000: 16}
    assert {simulations: playing(simulations).considered for simulations in wanted} == wanted
    assert SearchSettings(simulations=64).considered == 16
