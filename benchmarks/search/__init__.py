"""Speed of the search beside the network it searches with, and beside Pgx + mctx: `zeromass benchmark search`.

    zeromass benchmark search --peers-python ../peers/bin/python    # peers in an environment of their own

Contenders are timed in turn, `rounds` times. Results are medians, ratios are medians of the rounds' ratios. The ratio
to the network alone is the share of its speed that remains in the search: positions that the search evaluates a second,
to those that the same network evaluates alone in batches of the same size with legal moves given.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from agent import rules
from agent.compilation import warm_up
from agent.networks.evaluator import Evaluator, LeafEvaluator, LegalEvaluation
from agent.networks.registry import make_evaluator
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.residual.network import ResidualNetwork
from agent.networks.sparse.evaluator import SparseEvaluator
from agent.networks.sparse.network import SparseNetwork
from agent.search import GumbelSearch, SearchSettings, material_evaluator
from benchmarks.figures import Figures, Found, table

SEARCH, ALONE, TREE, PEER = "search", "network alone", "tree and rules alone", "Pgx + mctx"


class CountingLeaves(LeafEvaluator):
    """An evaluator that counts the positions it evaluates."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator, self.positions = evaluator, 0

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        self.positions += len(positions)
        return self._evaluator.evaluate_legal(positions, moves, counts)


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


def searching(search: GumbelSearch, games: rules.Games) -> Callable[[], int]:
    """Searches all games; returns the simulations made."""
    return lambda: int(search.run(games, np.arange(len(games)), seed=1).visits.sum())


def sparse_evaluator() -> SparseEvaluator:
    """The default sparse network with random weights, which do not change its time."""
    torch.manual_seed(2)
    network = SparseNetwork()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return SparseEvaluator(network)


def residual_evaluator() -> Evaluator:
    """3 blocks of 32 channels with random weights, in eager PyTorch."""
    torch.manual_seed(0)
    return make_evaluator(ResidualNetwork(ResidualArchitecture(3, 32)))


def sparse_search(figures: Figures, simulations: int, rounds: int, seconds: float) -> None:
    """The compiled search with the sparse network, on one core."""
    games, sparse = midgames(256), sparse_evaluator()
    moves, counts = rules.legal_moves(games.positions)

    def alone() -> int:
        sparse.evaluate_legal(games.positions, moves, counts)
        return len(games)

    settings = SearchSettings(simulations=simulations)
    calls = {
        SEARCH: searching(GumbelSearch(settings, sparse.for_search()), games),
        ALONE: alone,
        TREE: searching(GumbelSearch(settings, material_evaluator()), games),
    }
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            rates[name].append(rate(call, seconds))
    case = f"sparse, {simulations} simulations"
    for name, values in rates.items():
        figures.add(case, name, values, "1/s")
    figures.ratio(case, ALONE, rates[SEARCH], rates[ALONE])


def residual_search(figures: Figures, simulations: int, rounds: int, seconds: float) -> None:
    """The batched search with the residual network, on one core."""
    torch.set_num_threads(1)
    evaluator, games = residual_evaluator(), midgames(64)
    moves, counts = rules.legal_moves(games.positions)
    leaves = CountingLeaves(evaluator)

    def alone() -> int:
        evaluator.evaluate_legal(games.positions, moves, counts)
        return len(games)

    search = searching(GumbelSearch(SearchSettings(simulations=simulations), leaves), games)
    rates: dict[str, list[float]] = {SEARCH: [], ALONE: [], "evaluated": []}
    search()
    for _ in range(rounds):
        rates[ALONE].append(rate(alone, seconds))
        leaves.positions, started, made = 0, perf_counter(), 0
        while not made or perf_counter() - started < seconds:
            made += search()
        taken = perf_counter() - started
        rates[SEARCH].append(made / taken)
        rates["evaluated"].append(leaves.positions / taken)
    case = f"residual 3 x 32, {simulations} simulations"
    figures.add(case, SEARCH, rates[SEARCH], "1/s")
    figures.add(case, ALONE, rates[ALONE], "1/s")
    figures.ratio(case, ALONE, rates["evaluated"], rates[ALONE])


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
    return rate(searching(GumbelSearch(SearchSettings(simulations=16), residual_evaluator()), midgames(64)), seconds)


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
    case = "residual 3 x 32, 16 simulations, all cores"
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
        for measure, simulations in ((sparse_search, 16), (sparse_search, 64), (residual_search, 16)):
            progress(f"{measure.__name__.replace('_', ' ')}, {simulations} simulations ...")
            measure(figures, simulations, rounds, seconds)
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
