"""Evaluations a second of the sparse network on one core, beside the residual network: `zeromass benchmark sparse`.

Positions are the children of positions from random games, as in a search; their legal moves are given. Networks are
measured in turn, `rounds` times. Results are medians, ratios are medians of the rounds' ratios.
"""

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from agent import rules
from agent.networks.network import Network
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from benchmarks.figures import Figures, Found, table

NETWORKS: Final = {
    "sparse 256 x 64 (default)": SparseArchitecture(),
    "with replies (bundled weights)": SparseArchitecture(replies=True),
    "sparse 512 x 64": SparseArchitecture(width=512),
    "residual 3 x 32": ResidualArchitecture(blocks=3, channels=32),
}
RESIDUAL: Final = "residual 3 x 32"
BATCH: Final = 512
"""Small enough for the results to stay in the cache."""


def positions_of_search(number: int, seed: int = 0) -> NDArray[np.uint64]:
    """`number` positions uint64 [number, WORDS] with a legal move: all children of positions from random games."""
    rng = np.random.default_rng(seed)
    games = rules.Games(64)
    found: list[NDArray[np.uint64]] = []
    while sum(map(len, found)) < number:
        for _ in range(10):
            indices, counts, codes = games.observe()
            games.reset(np.flatnonzero(codes))
            indices, counts, _ = games.observe()
            games.play(indices[np.arange(64), (rng.random(64) * counts).astype(np.int64)])
        children = games.successors()[0]
        found.append(children[rules.count_moves(children) > 0])
    return np.concatenate(found)[:number]


def evaluations_a_second(network: Network, positions: NDArray[np.uint64], seconds: float) -> float:
    """Logits of the legal moves and value, in batches; the first batch is not timed."""
    evaluator, (moves, counts) = make_evaluator(network), rules.legal_moves(positions)
    parts = [slice(low, low + BATCH) for low in range(0, len(positions), BATCH)]
    evaluator.evaluate_legal(positions[parts[0]], moves[parts[0]], counts[parts[0]])
    done, started = 0, perf_counter()
    while not done or perf_counter() - started < seconds:
        part = parts[done // BATCH % len(parts)]
        evaluator.evaluate_legal(positions[part], moves[part], counts[part])
        done += BATCH
    return done / (perf_counter() - started)


def run(
    *, rounds: int = 3, seconds: float = 1.0, progress: Callable[[str], None] = lambda line: None
) -> dict[str, list[dict[str, Any]]]:
    """Measure all networks on one core.

    Args:
        rounds: times that all networks are measured in turn.
        seconds: of one measurement.
        progress: gets lines of text.

    Returns:
        {"results": [...], "ratios": [...]}, see `Figures`; a ratio is to the residual network.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    positions = positions_of_search(4096)
    networks = {name: make_network(architecture) for name, architecture in NETWORKS.items()}
    speeds: dict[str, list[float]] = {name: [] for name in NETWORKS}
    try:
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds} ...")
            for name, network in networks.items():
                speeds[name].append(evaluations_a_second(network, positions, seconds))
    finally:
        torch.set_num_threads(threads)
    figures = Figures()
    for name, values in speeds.items():
        figures.add(name, "evaluations/s", values, "1/s")
        if name != RESIDUAL:
            figures.ratio(name, "evaluations/s", values, speeds[RESIDUAL])
    return figures.to_json()


def show(found: Found) -> list[Table | str]:
    """One table, one line."""
    return [
        table(found, f"On one core; in bold to {RESIDUAL}", "network"),
        f"the default is {found['ratios'][0]['value']:,.0f} times as fast as {RESIDUAL}",
    ]


if __name__ == "__main__":
    import zeromass

    sys.exit(zeromass.main(["benchmark", "sparse", *sys.argv[1:]]))
