"""Speed of the search beside the network it searches with, and beside Pgx + mctx: `zeromass benchmark search`.

    zeromass benchmark search --peers-python ../peers/bin/python    # peers in an environment of their own

Contenders are timed in turn, `rounds` times. Results are medians, ratios are medians of the rounds' ratios. The ratio
to the network alone is the share of its speed that remains in the search: simulations a second, to the positions that
the same network evaluates alone in batches of the same size with legal moves given.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from rich.table import Table

from agent import rules
from agent.compilation import warm_up
from agent.networks.evaluator import CompiledEvaluator, Evaluator, LeafEvaluator
from agent.networks.network import Architecture
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.search import GumbelSearch, SearchSettings, material_evaluator
from benchmarks.figures import Figures, Found, table


class Case(NamedTuple):
    """What is searched with, and how much."""

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


def rate(call: Callable[[], int], seconds: float) -> float:
    """Sum of what `call` returns, a second; the first call is not timed."""
    call()
    total, started = 0, perf_counter()
    while not total or perf_counter() - started < seconds:
        total += call()
    return total / (perf_counter() - started)


def searching(evaluator: LeafEvaluator | CompiledEvaluator, simulations: int, games: rules.Games) -> Callable[[], int]:
    """Searches all games; returns the simulations made."""
    search = GumbelSearch(SearchSettings(simulations=simulations), evaluator)
    return lambda: int(search.run(games, np.arange(len(games)), seed=1).visits.sum())


def evaluator_of(architecture: Architecture) -> Evaluator:
    """A network with random weights, which do not change its time."""
    torch.manual_seed(0)
    network = make_network(architecture)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return make_evaluator(network)


def measure(figures: Figures, case: Case, rounds: int, seconds: float) -> None:
    """One case on one core."""
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
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            rates[name].append(rate(call, seconds))
    for name, values in rates.items():
        figures.add(case.name, name, values, "1/s")
    figures.ratio(case.name, ALONE, rates[SEARCH], rates[ALONE])


def peer(python: str) -> float | None:
    """Simulations a second of Pgx + mctx in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("peers.py")
    run = subprocess.run([python, str(script)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"Pgx + mctx under {python} failed: {run.stderr.strip()[-500:]}")
    figure = json.loads(run.stdout)
    return None if figure is None else float(figure)


def _search_alone(seconds: float) -> float:
    """Simulations a second of one process with one thread."""
    torch.set_num_threads(1)
    evaluator = evaluator_of(RESIDUAL.architecture)
    return rate(searching(evaluator.for_search(), RESIDUAL.simulations, midgames(RESIDUAL.batch)), seconds)


def compare_with_peer(
    figures: Figures, rounds: int, seconds: float, python: str, progress: Callable[[str], None]
) -> None:
    """Ours in a process a core, and Pgx + mctx, which uses all cores by itself, in turn; networks of equal size."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ours: list[float] = []
    theirs: list[float] = []
    with multiprocessing.get_context("spawn").Pool(cores) as processes:
        for number in range(rounds):
            progress(f"{PEER}, round {number + 1} of {rounds} ...")
            speed = peer(python)
            if speed is None:
                progress(f"Pgx and mctx are not installed for {python}: left out")
                return
            theirs.append(speed)
            ours.append(sum(processes.map(_search_alone, [seconds] * cores, chunksize=1)))
    case = f"{RESIDUAL.name}, all cores"
    figures.add(case, SEARCH, ours, "1/s")
    figures.add(case, PEER, theirs, "1/s")
    figures.ratio(case, PEER, ours, theirs)


def run(
    *,
    rounds: int = 3,
    seconds: float = 1.0,
    peers_python: str = sys.executable,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure everything.

    Args:
        rounds: times that the contenders are measured in turn.
        seconds: least time of one measurement.
        peers_python: interpreter that has the peers; left out if it lacks them.
        progress: gets lines of text.

    Returns:
        {"results": [...], "ratios": [...]}, see `Figures`; speeds are simulations or positions a second.
    """
    figures = Figures()
    warm_up(progress)
    compare_with_peer(figures, rounds, seconds, peers_python, progress)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        for case in CASES:
            progress(f"{case.name} ...")
            measure(figures, case, rounds, seconds)
    finally:
        torch.set_num_threads(threads)
    return figures.to_json()


def show(found: Found) -> list[Table | str]:
    """One table, one line."""
    shares = [row["value"] for row in found["ratios"] if row["contender"] == ALONE]
    return [
        table(found, "Simulations/s on one core; in bold to the network alone, or to Pgx + mctx", "network"),
        f"the search keeps {100 * min(shares):.0f} to {100 * max(shares):.0f} % of what its network does alone",
    ]
