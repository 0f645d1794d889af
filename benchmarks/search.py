"""Speed of the search beside the network it searches with, and beside Pgx + mctx: `zeromass benchmark search`.

    zeromass benchmark search --peers-python ../peers/bin/python    # peers in an environment of their own

The ratio to the network alone is the share of its speed that remains in the search: simulations a second, to the
positions that the same network evaluates alone in batches of the same size with legal moves given.
"""

import multiprocessing
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import torch
from rich.table import Table

from agent import rules
from agent.compilation import warm_up
from agent.networks.contract import Architecture, CompiledEvaluator, LeafEvaluator
from agent.networks.evaluator import Evaluator
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.search import GumbelSearch, SearchSettings, material_evaluator
from benchmarks.measuring import Figures, Found, Progress, in_turn, peer, rate, table, threads
from training.doctor import usable_cores


class Case(NamedTuple):
    name: str
    architecture: Architecture
    simulations: int
    batch: int


RESIDUAL: Final = Case("residual 3 x 32, 16 simulations", ResidualArchitecture(3, 32), 16, 64)
CASES: Final = (
    Case("sparse, 16 simulations", SparseArchitecture(), 16, 256),
    Case("sparse, 64 simulations", SparseArchitecture(), 64, 256),
    RESIDUAL,
)
SEARCH, ALONE, TREE, PEER = "search", "network alone", "tree and rules alone", "Pgx + mctx"


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


def evaluator_of(architecture: Architecture) -> Evaluator:
    """A network with random weights, which do not change its time."""
    torch.manual_seed(0)
    network = make_network(architecture)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return make_evaluator(network)


def measure(figures: Figures, case: Case, rounds: int, seconds: float, progress: Progress) -> None:
    evaluator, games = evaluator_of(case.architecture), midgames(case.batch)
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


def _search_alone(seconds: float) -> float:
    """Simulations a second of one process with one thread."""
    torch.set_num_threads(1)
    search = searching(evaluator_of(RESIDUAL.architecture).for_search(), RESIDUAL.simulations, midgames(RESIDUAL.batch))
    search()
    return rate(search, seconds)


def compare_with_peer(figures: Figures, rounds: int, seconds: float, python: str, progress: Progress) -> None:
    """Ours in a process a core, and Pgx + mctx, which uses all cores by itself, in turn; networks of equal size."""
    cores, case = usable_cores(), f"{RESIDUAL.name}, all cores"
    progress(f"{case} ...")
    with multiprocessing.get_context("spawn").Pool(cores) as processes:
        calls: dict[str, Callable[[], float | None]] = {PEER: partial(peer, python, PEER)}
        calls[SEARCH] = lambda: sum(processes.map(_search_alone, [seconds] * cores, chunksize=1))
        rates = in_turn(calls, rounds, progress)
    for name, values in rates.items():
        figures.add(case, name, values, "1/s")
    if PEER in rates:
        figures.ratio(case, PEER, rates[SEARCH], rates[PEER])


def run(
    *, rounds: int = 3, seconds: float = 1.0, peers_python: str = sys.executable, progress: Progress = lambda line: None
) -> Found:
    figures = Figures()
    warm_up(progress)
    compare_with_peer(figures, rounds, seconds, peers_python, progress)
    with threads(1):
        for case in CASES:
            progress(f"{case.name} ...")
            measure(figures, case, rounds, seconds, progress)
    return figures.found


def show(found: Found) -> list[Table | str]:
    shares = [row["value"] for row in found["ratios"] if row["contender"] == ALONE]
    return [
        table(found, "Simulations/s on one core; in bold to the network alone, or to Pgx + mctx", "network"),
        f"the search keeps {100 * min(shares):.0f} to {100 * max(shares):.0f} % of what its network does alone",
    ]
