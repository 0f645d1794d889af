"""Speed of the sparse network on one core, evaluating and learning: `zeromass benchmark sparse`.

Positions are the children of positions from random games, as in a search. Variants are measured in turn, `rounds`
times. Results are medians, ratios are medians of the rounds' ratios.
"""

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor, nn

from agent import rules
from agent.networks.residual import planes
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.residual.network import ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.evaluator import SparseEvaluator
from agent.networks.sparse.network import SparseNetwork
from benchmarks.figures import Figures, Found, table
from kernels import masked_cross_entropy

DEFAULT, RESIDUAL = "sparse 256 x 64 (default)", "residual 3 x 32"
VARIANTS: Final = {
    DEFAULT: SparseArchitecture(),
    "with replies (bundled weights)": SparseArchitecture(replies=True),
    "sparse 512 x 64": SparseArchitecture(width=512),
}
EVALUATION, LEARNING = "evaluations/s", "samples learned/s"


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


def calls_a_second(call: Callable[[], object], seconds: float) -> float:
    """The first two calls are not timed."""
    call()
    call()
    calls, started = 0, perf_counter()
    while not calls or perf_counter() - started < seconds:
        call()
        calls += 1
    return calls / (perf_counter() - started)


def evaluations_a_second(architecture: SparseArchitecture, positions: NDArray[np.uint64], seconds: float) -> float:
    """Features, both layers, logits of the legal moves, value; the moves are given."""
    torch.manual_seed(0)
    evaluator = SparseEvaluator(SparseNetwork(architecture))
    moves, counts = rules.legal_moves(positions)
    parts = [slice(low, low + 512) for low in range(0, len(positions), 512)]  # results stay in the cache

    def evaluate() -> None:
        for part in parts:
            evaluator.evaluate_legal(positions[part], moves[part], counts[part])

    return len(positions) * calls_a_second(evaluate, seconds)


def samples_a_second(
    network: nn.Module, loss: Callable[[], Tensor], positions: NDArray[np.uint64], seconds: float
) -> float:
    """Forward, `loss` of all positions, backward, AdamW."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return len(positions) * calls_a_second(step, seconds)


def sparse_samples_a_second(architecture: SparseArchitecture, positions: NDArray[np.uint64], seconds: float) -> float:
    """Learning steps from positions: legal moves, features, forward, both losses."""
    network = SparseNetwork(architecture)
    moves = torch.zeros(len(positions), dtype=torch.int64)
    outcomes = torch.arange(len(positions)) % 3

    def loss() -> Tensor:
        found = network.predict(positions)
        policy = masked_cross_entropy(found.logits, moves, legal=found.legal).mean()
        return policy + nn.functional.cross_entropy(found.value_logits, outcomes)

    return samples_a_second(network, loss, positions, seconds)


def residual_samples_a_second(positions: NDArray[np.uint64], seconds: float) -> float:
    """The same step of the residual network with 3 blocks of 32 channels."""
    network = ResidualNetwork(ResidualArchitecture(blocks=3, channels=32))
    indices, counts = rules.legal_moves(positions)
    legal = torch.from_numpy(rules.pack_moves(indices, counts))
    moves = torch.from_numpy(indices[:, 0].astype(np.int64))
    outcomes = torch.arange(len(positions)) % 3

    def loss() -> Tensor:
        logits, value = network(torch.from_numpy(planes.planes(positions)))
        return masked_cross_entropy(logits, moves, legal=legal).mean() + nn.functional.cross_entropy(value, outcomes)

    return samples_a_second(network, loss, positions, seconds)


def run(
    *, rounds: int = 3, seconds: float = 1.0, batch: int = 1024, progress: Callable[[str], None] = lambda line: None
) -> dict[str, list[dict[str, Any]]]:
    """Measure everything on one core.

    Args:
        rounds: times that all variants are measured in turn.
        seconds: of one measurement.
        batch: positions of a learning step.
        progress: gets lines of text.

    Returns:
        {"results": [...], "ratios": [...]}, see `Figures`; a ratio is a variant's evaluations to the default's, or its
        samples to those of the residual network.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    played, learned = positions_of_search(4096), positions_of_search(batch, seed=1)
    evaluations: dict[str, list[float]] = {name: [] for name in VARIANTS}
    samples: dict[str, list[float]] = {name: [] for name in (*VARIANTS, RESIDUAL)}
    try:
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds} ...")
            for name, architecture in VARIANTS.items():
                evaluations[name].append(evaluations_a_second(architecture, played, seconds))
                samples[name].append(sparse_samples_a_second(architecture, learned, seconds))
            samples[RESIDUAL].append(residual_samples_a_second(learned, seconds))
    finally:
        torch.set_num_threads(threads)
    figures = Figures()
    for contender, speeds, base in ((EVALUATION, evaluations, DEFAULT), (LEARNING, samples, RESIDUAL)):
        for name, values in speeds.items():
            figures.add(name, contender, values, "1/s")
            if name != base:
                figures.ratio(name, contender, values, speeds[base])
    return figures.to_json()


def show(found: Found) -> list[Table | str]:
    """One table, one line."""
    learning = [row["value"] for row in found["ratios"] if row["contender"] == LEARNING]
    return [
        table(found, "On one core; in bold to the default, and to the residual network", "network"),
        f"a learning step is {min(learning):.0f} to {max(learning):.0f} times as fast as the residual network's",
    ]


if __name__ == "__main__":
    import zeromass

    sys.exit(zeromass.main(["benchmark", "sparse", *sys.argv[1:]]))
