"""Evaluations a second of the sparse network on one core, beside the residual network: `zeromass benchmark sparse`.
Positions are the children of those in random games, as in a search; their legal moves are given."""

import itertools
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from agent import rules
from agent.networks.contract import Architecture
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


def evaluating(architecture: Architecture, positions: NDArray[np.uint64], seconds: float) -> Callable[[], float]:
    """Measures evaluations a second: logits of the legal moves and value, in batches."""
    evaluator, (moves, counts) = make_evaluator(make_network(architecture)), rules.legal_moves(positions)
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
    children, figures = midgames(256).successors()[0], Figures()
    positions = children[rules.count_moves(children) > 0][:4096]
    with threads(1):
        contenders = {name: evaluating(architecture, positions, seconds) for name, architecture in NETWORKS.items()}
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
