"""Speed of the search beside the network it searches with, and beside Pgx + mctx.

    python -m benchmarks.search
    python -m benchmarks.search --peers-python ../peers/bin/python    # peers in an environment of their own

The network alone and the search are timed in turn, `rounds` times: results are medians, and a share is the
median of the rounds' shares: positions that the network evaluates a second within the search, to what the
same runtime evaluates alone in batches of the same size, legal moves given, in the quicker of its two ways
(all logits, or the legal moves' alone). Stages are seconds a simulation in millionths: network (planes and
forward pass), policy (what the search asks beyond that: the legal moves' logits, copying), tree and rules
(timed with a network that takes next to no time), and Python, which is the rest. Close everything else first.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.compilation import warm_up
from agent.networks.evaluator import CompiledEvaluator, Evaluator, LeafEvaluator, LegalEvaluation
from agent.networks.registry import make_evaluator
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.residual.network import ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import evaluate_batch
from agent.networks.sparse.evaluator import untrained
from agent.search import GumbelSearch, SearchSettings, material_evaluator

_ROOT: Final = Path(__file__).resolve().parent.parent
NETWORKS: Final = ((3, 32), (4, 64))
SIMULATIONS: Final = (16, 64)
BATCHES: Final = (64, 256)
PEER: Final = "Pgx + mctx, 3 x 32, 16 simulations, batch 64"


class TimedLeaves(LeafEvaluator):
    """An evaluator with a stop watch: how long, and for how many positions."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._leaves = evaluator
        self.seconds, self.positions = 0.0, 0

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        started = perf_counter()
        found = self._leaves.evaluate_legal(positions, moves, counts)
        self.seconds += perf_counter() - started
        self.positions += len(positions)
        return found


def midgames(batch: int, plies: int = 24, seed: int = 1) -> rules.Games:
    """Games after `plies` random plies, none of them over."""
    rng, games = np.random.default_rng(seed), rules.Games(batch)
    for _ in range(plies):
        moves, counts = rules.legal_moves(games.positions)
        games.play(moves[np.arange(batch), rng.integers(counts)])
        games.reset(games.outcome() != 0)
    return games


def network_alone(evaluator: Evaluator, games: rules.Games, seconds: float) -> float:
    """Positions a second in batches of all games, in the quicker of two ways: all logits, or those of legal moves."""
    moves, counts = rules.legal_moves(games.positions)
    rates = []
    for ask in (
        lambda: evaluator.evaluate(games.positions),
        lambda: evaluator.evaluate_legal(games.positions, moves, counts),
    ):
        evaluated, started = 0, perf_counter()
        while perf_counter() - started < seconds / 2:
            ask()
            evaluated += len(games)
        rates.append(evaluated / (perf_counter() - started))
    return max(rates)


def searched(search: GumbelSearch, games: rules.Games, seconds: float) -> float:
    """Simulations a second."""
    simulations, started = 0, perf_counter()
    while perf_counter() - started < seconds or not simulations:
        simulations += int(search.run(games, np.arange(len(games)), seed=simulations).visits.sum())
    return simulations / (perf_counter() - started)


def sparse_evaluator() -> CompiledEvaluator:
    """The default sparse network with random weights: its time does not depend on what they are."""
    rng, network = np.random.default_rng(2), untrained(SparseArchitecture())
    for array in network.parameters[:-1]:
        array[...] = rng.normal(0, 0.05, array.shape)
    return network


def sparse_alone(network: CompiledEvaluator, games: rules.Games, seconds: float) -> float:
    """Positions a second on one core, legal moves given."""
    moves, counts = rules.legal_moves(games.positions)
    evaluate_batch(games.positions, moves, counts, network.parameters, network.scratch)
    evaluated, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        evaluate_batch(games.positions, moves, counts, network.parameters, network.scratch)
        evaluated += len(games)
    return evaluated / (perf_counter() - started)


def peer(python: str) -> float | None:
    """Simulations a second of Pgx + mctx in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("search_peers.py")
    run = subprocess.run([python, str(script)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"Pgx + mctx under {python} failed: {run.stderr.strip()[-500:]}")
    figure = json.loads(run.stdout)
    return None if figure is None else float(figure)


class Report:
    """Results and ratios in the making."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.ratios: list[dict[str, Any]] = []

    def add(self, name: str, values: list[float], unit: str) -> None:
        self.results.append({"name": name, "value": statistics.median(values), "unit": unit})

    def ratio(self, name: str, values: list[float]) -> None:
        entry = {"name": name, "value": statistics.median(values), "low": min(values), "high": max(values)}
        self.ratios.append(entry)


def compiled_searches(report: Report, rounds: int, seconds: float) -> None:
    """The sparse network, and a network that takes no time: tree and rules alone. One core."""
    games, sparse = midgames(256), sparse_evaluator()
    for simulations in SIMULATIONS:
        settings = SearchSettings(simulations=simulations)
        with_sparse, bare = GumbelSearch(settings, sparse), GumbelSearch(settings, material_evaluator())
        for search in (with_sparse, bare):
            search.run(games)
        alone, whole, tree = [], [], []
        for _ in range(rounds):
            alone.append(sparse_alone(sparse, games, seconds))
            whole.append(searched(with_sparse, games, seconds))
            tree.append(searched(bare, games, seconds))
        report.add(f"sparse network, {simulations} simulations", whole, "simulations/s")
        report.add(f"tree and rules alone, {simulations} simulations", tree, "simulations/s")
        report.add("sparse network alone", alone, "positions/s")
        share = [part / limit for part, limit in zip(whole, alone, strict=True)]
        report.ratio(f"sparse, {simulations} simulations / network alone", share)


def batched_search(
    report: Report, shape: tuple[int, int], simulations: int, batch: int, rounds: int, seconds: float
) -> None:
    """One residual network, one setting."""
    evaluator = make_evaluator(network_of(shape))
    games, leaves = midgames(batch), TimedLeaves(evaluator)
    settings = SearchSettings(simulations=simulations)
    search, bare = GumbelSearch(settings, leaves), GumbelSearch(settings, material_evaluator())
    network_alone(evaluator, games, seconds)
    search.run(games)
    bare.run(games)
    rates, shares = [], []
    stages: dict[str, list[float]] = {"network": [], "policy and copying": [], "tree and rules": [], "Python": []}
    for _ in range(rounds):
        alone = network_alone(evaluator, games, seconds)
        leaves.seconds, leaves.positions = 0.0, 0
        started = perf_counter()
        rate = searched(search, games, seconds)
        wall = perf_counter() - started
        rates.append(rate)
        shares.append(leaves.positions / wall / alone)
        tree = 1 / searched(bare, games, seconds / 4)
        network = leaves.positions / alone / (wall * rate)
        asked = leaves.seconds / (wall * rate)
        for stage, value in zip(stages, (network, asked - network, tree, 1 / rate - asked - tree), strict=True):
            stages[stage].append(1e6 * value)
    name = f"{shape[0]} x {shape[1]}, {simulations} simulations, batch {batch}"
    report.add(name, rates, "simulations/s")
    for stage, values in stages.items():
        report.add(f"{name}: {stage}", values, "us/simulation")
    report.ratio(f"{name} / network alone", shares)


def run(
    *,
    rounds: int = 3,
    seconds: float = 1.0,
    peers_python: str = sys.executable,
    only: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure everything.

    Args:
        rounds: times that the network alone, the search and the peer are measured in turn.
        seconds: least time of one measurement.
        peers_python: interpreter that has the peers; left out if it lacks them.
        only: "peer", "compiled" or "batched": that part alone.
        progress: gets lines of text.

    Returns:
        {"results": [{name, value, unit}], "ratios": [{name, value, low, high}]}.
    """
    tell, report = progress or (lambda _: None), Report()
    warm_up(tell)  # else the first measurement of a compiled network is that of the compiler
    if only in (None, "peer"):
        compare_with_peer(report, rounds, seconds, peers_python, tell)
    if only in (None, "compiled"):
        tell("compiled searches ...")
        compiled_searches(report, rounds, seconds)
    for shape in NETWORKS if only in (None, "batched") else ():
        for simulations in SIMULATIONS:
            for batch in BATCHES:
                tell(f"{shape[0]} x {shape[1]}, {simulations} simulations, batch {batch} ...")
                batched_search(report, shape, simulations, batch, rounds, seconds)
    return {"results": report.results, "ratios": report.ratios}


def network_of(shape: tuple[int, int]) -> ResidualNetwork:
    """Random weights; its time does not depend on what they are."""
    torch.manual_seed(0)
    return ResidualNetwork(ResidualArchitecture(*shape))


def worker(seconds: float) -> None:
    """Search on one thread for `seconds` whenever a line comes in; print simulations a second."""
    torch.set_num_threads(1)
    evaluator = make_evaluator(network_of((3, 32)))
    search = GumbelSearch(SearchSettings(simulations=16), evaluator)
    games = midgames(64)
    search.run(games)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(searched(search, games, seconds), flush=True)


class Workers:
    """A process a core, each searching a batch of its own, as self-play does."""

    def __init__(self, seconds: float) -> None:
        command = [sys.executable, "-m", "benchmarks.search", "--worker", "--seconds", str(seconds)]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._processes = [
            subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(cores)
        ]
        for process in self._processes:
            self._answer(process)

    def simulations_a_second(self) -> float:
        """Of all processes together."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return sum(float(self._answer(process)) for process in self._processes)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        if not (line := process.stdout.readline()):
            raise RuntimeError(f"a searching process ended with code {process.wait()}")
        return line


def compare_with_peer(report: Report, rounds: int, seconds: float, python: str, tell: Callable[[str], None]) -> None:
    """Ours, a process a core, and Pgx + mctx, which takes all cores by itself, in turn; the same size of network."""
    workers = Workers(seconds)
    ours: list[float] = []
    theirs: list[float] = []
    try:
        for number in range(rounds):
            tell(f"Pgx + mctx, round {number + 1} of {rounds} ...")
            figure = peer(python)
            if figure is None:
                tell(f"Pgx and mctx are not installed for {python}: left out")
                return
            theirs.append(figure)
            ours.append(workers.simulations_a_second())
    finally:
        workers.close()
    report.add(PEER, theirs, "simulations/s")
    report.add("ours, a process a core, " + PEER.partition(", ")[2], ours, "simulations/s")
    report.ratio(f"ours / {PEER}", [mine / other for mine, other in zip(ours, theirs, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers installed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="least time of one measurement")
    parser.add_argument("--threads", type=int, help="torch's threads; its own choice if not given")
    parser.add_argument("--only", choices=["peer", "compiled", "batched"], help="one part of it")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    if chosen.worker:
        worker(chosen.seconds)
        return
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    found = run(
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        peers_python=chosen.peers_python,
        only=chosen.only,
        progress=lambda line: print(line, file=sys.stderr),
    )
    if chosen.json:
        print(json.dumps(found))
        return
    for result in found["results"]:
        value = f"{result['value']:,.2f}" if result["unit"] == "us/simulation" else f"{result['value']:,.0f}"
        print(f"{result['name']:56} {value:>12} {result['unit']}")
    for ratio in found["ratios"]:
        print(f"{ratio['name']:56} {ratio['value']:>12.2f} times ({ratio['low']:.2f} to {ratio['high']:.2f})")


if __name__ == "__main__":
    main()
