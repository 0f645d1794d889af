"""Speed of the search beside the network it searches with: `zeromass benchmark search`.

The ratio to the network alone is the share of its speed that remains in the search: simulations a second, to the
positions that the same network evaluates alone in batches of the same size with legal moves given."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import torch
from rich.table import Table

from agent import rules
from agent.compilation import warm_up
from agent.networks.contract import Architecture, CompiledEvaluator, LeafEvaluator
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.search import GumbelSearch, SearchSettings, material_evaluator
from benchmarks.measuring import Figures, Found, Progress, in_turn, rate, table, threads


class Case(NamedTuple):
    name: str
    architecture: Architecture
    simulations: int
    batch: int


CASES: Final = (
    Case("sparse, 16 simulations", SparseArchitecture(), 16, 256),
    Case("sparse, 64 simulations", SparseArchitecture(), 64, 256),
    Case("residual 3 x 32, 16 simulations", ResidualArchitecture(3, 32), 16, 64),
)
SEARCH, ALONE, TREE = "search", "network alone", "tree and rules alone"


def midgames(batch: int, plies: int = 24, seed: int = 1) -> rules.Games:
    """Games after `plies` random plies, none of them over."""
    rng, games = np.random.default_rng(seed), rules.Games(batch)
    for _ in range(plies):
        moves, counts = rules.legal_moves(games.positions)
        games.play(moves[np.arange(batch), rng.integers(counts)])
        games.reset(games.outcome() != 0)
    return games


def searching(evaluator: LeafEvaluator | CompiledEvaluator, simulations: int, games: rules.Games) -> Callable[[], int]:
    search = GumbelSearch(SearchSettings(simulations=simulations), evaluator)
    return lambda: int(search.run(games, np.arange(len(games)), seed=1).visits.sum())


def measure(figures: Figures, case: Case, rounds: int, seconds: float, progress: Progress) -> None:
    torch.manual_seed(0)
    network = make_network(case.architecture)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)  # its time is that of trained weights
    evaluator, games = make_evaluator(network), midgames(case.batch)
    moves, counts = rules.legal_moves(games.positions)

    def alone() -> int:
        evaluator.evaluate_legal(games.positions, moves, counts)
        return len(games)

    calls = {
        SEARCH: searching(evaluator.for_search(), case.simulations, games),
        ALONE: alone,
        TREE: searching(material_evaluator(), case.simulations, games),
    }
    for call in calls.values():
        call()  # compiled code is loaded now
    rates = in_turn({name: partial(rate, call, seconds) for name, call in calls.items()}, rounds, progress)
    for name, values in rates.items():
        figures.add(case.name, name, values, "1/s")
    figures.ratio(case.name, ALONE, rates[SEARCH], rates[ALONE])


def run(*, rounds: int = 3, seconds: float = 1.0, progress: Progress = lambda line: None) -> Found:
    figures = Figures()
    warm_up(progress)
    with threads(1):
        for case in CASES:
            progress(f"{case.name} ...")
            measure(figures, case, rounds, seconds, progress)
    return figures.found


def show(found: Found) -> list[Table | str]:
    shares = [row["value"] for row in found["ratios"] if row["contender"] == ALONE]
    return [
        table(found, "Simulations/s on one core; in bold to the network alone", "network"),
        f"the search keeps {100 * min(shares):.0f} to {100 * max(shares):.0f} % of what its network does alone",
    ]
