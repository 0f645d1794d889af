"""Evaluations a second of the sparse network on one core, beside the residual network: `zeromass benchmark sparse`.
Positions are the children of those in random games, as in a search; their legal moves are given."""

import itertools
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from agent import rules
from agent.networks.network import Network
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from benchmarks.measuring import Figures, Found, Progress, in_turn, rate, table, threads
from benchmarks.search import midgames

RESIDUAL: Final = "residual 3 x 32"
NETWORKS: Final = {
    "sparse 256 x 64 (default)": SparseArchitecture(),
    "sparse 512 x 64": SparseArchitecture(width=512),
    RESIDUAL: ResidualArchitecture(blocks=3, channels=32),
}
BATCH: Final = 512  # small enough for the results to stay in the cache


def children() -> NDArray[np.uint64]:
    """Positions one move after those of random games."""
    found = midgames(256).successors()[0]
    return found[rules.count_moves(found) > 0][:4096]


def evaluating(network: Network, positions: NDArray[np.uint64], seconds: float) -> Callable[[], float]:
    """Measures evaluations a second: logits of the legal moves and value, in batches."""
    evaluator, (moves, counts) = make_evaluator(network), rules.legal_moves(positions)
    starts = itertools.cycle(range(0, len(positions), BATCH))

    def evaluate() -> int:
        start = next(starts)
        part = slice(start, start + BATCH)
        evaluator.evaluate_legal(positions[part], moves[part], counts[part])
        return BATCH

    evaluate()  # compiled code is loaded now
    return lambda: rate(evaluate, seconds)


def run(*, rounds: int = 3, seconds: float = 1.0, progress: Progress = lambda line: None) -> Found:
    """Measure all networks on one core; a ratio is to the residual network."""
    figures, positions = Figures(), children()
    with threads(1):
        contenders = {name: evaluating(make_network(sizes), positions, seconds) for name, sizes in NETWORKS.items()}
        speeds = in_turn(contenders, rounds, progress)
    for name, values in speeds.items():
        figures.add(name, "evaluations/s", values, "1/s")
        if name != RESIDUAL:
            figures.ratio(name, "evaluations/s", values, speeds[RESIDUAL])
    return figures.found


def show(found: Found) -> list[Table | str]:
    return [
        table(found, f"On one core; in bold to {RESIDUAL}", "network"),
        f"the default is {found['ratios'][0]['value']:,.0f} times as fast as {RESIDUAL}",
    ]
