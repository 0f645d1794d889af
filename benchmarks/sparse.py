"""Speed of the sparse network on one core: evaluations while searching, samples while learning.

    python -m benchmarks.sparse

Positions are the children of positions from random games, as a search meets them. Variants are measured
in turn, `rounds` times; results are medians, and a ratio is the median of the rounds' ratios. Close
everything else first.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent import rules
from agent.networks.residual import planes
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.residual.network import ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import empty_parameters, evaluate_batch, load_parameters, make_scratch
from agent.networks.sparse.network import SparseNetwork
from kernels import masked_cross_entropy

VARIANTS: Final = {
    "256 x 64": SparseArchitecture(),
    "256 x 64 with replies": SparseArchitecture(replies=True),
    "512 x 64": SparseArchitecture(width=512),
}
BASE: Final = "256 x 64"
LEARNT: Final = (BASE,)
RESIDUAL: Final = "residual 3 x 32"


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


def evaluations_a_second(architecture: SparseArchitecture, positions: NDArray[np.uint64], seconds: float) -> float:
    """Features, both layers, logits of the legal moves, value; the moves are at hand."""
    torch.manual_seed(0)
    parameters, scratch = empty_parameters(architecture), make_scratch(architecture)
    load_parameters(parameters, SparseNetwork(architecture).state_dict())
    moves, counts = rules.legal_moves(positions)
    parts = [slice(low, low + 512) for low in range(0, len(positions), 512)]  # results stay in the cache
    for part in parts:
        evaluate_batch(positions[part], moves[part], counts[part], parameters, scratch)
    done, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        for part in parts:
            evaluate_batch(positions[part], moves[part], counts[part], parameters, scratch)
        done += len(positions)
    return done / (perf_counter() - started)


def _steps_a_second(network: nn.Module, losses: Callable[[], Tensor], seconds: float) -> float:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        losses().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for _ in range(2):
        step()
    steps, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        step()
        steps += 1
    return steps / (perf_counter() - started)


def samples_a_second(architecture: SparseArchitecture, positions: NDArray[np.uint64], seconds: float) -> float:
    """Legal moves, features, forward, both losses, backward, AdamW."""
    network = SparseNetwork(architecture)
    moves = torch.zeros(len(positions), dtype=torch.int64)
    outcomes = torch.arange(len(positions)) % 3

    def losses() -> Tensor:
        found = network.predict(positions)
        policy = masked_cross_entropy(found.logits, moves, legal=found.legal).mean()
        return policy + nn.functional.cross_entropy(found.value_logits, outcomes)

    return len(positions) * _steps_a_second(network, losses, seconds)


def residual_samples_a_second(positions: NDArray[np.uint64], seconds: float) -> float:
    """The same step of the residual network with 3 blocks of 32 channels."""
    network = ResidualNetwork(ResidualArchitecture(blocks=3, channels=32))
    indices, counts = rules.legal_moves(positions)
    legal = torch.from_numpy(rules.pack_moves(indices, counts))
    moves = torch.from_numpy(indices[:, 0].astype(np.int64))
    outcomes = torch.arange(len(positions)) % 3

    def losses() -> Tensor:
        logits, value = network(torch.from_numpy(planes.planes(positions)))
        return masked_cross_entropy(logits, moves, legal=legal).mean() + nn.functional.cross_entropy(value, outcomes)

    return len(positions) * _steps_a_second(network, losses, seconds)


def run(
    *, rounds: int = 3, seconds: float = 1.0, batch: int = 1024, progress: Callable[[str], None] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Measure everything on one core.

    Args:
        rounds: times that all variants are measured in turn.
        seconds: time of one measurement.
        batch: positions of a learning step.
        progress: gets lines of text.

    Returns:
        {"results": [{name, value, unit}], "ratios": [{name, value, low, high}]}; a ratio is the variant to
        the default, or the sparse network to the residual one.
    """
    report = progress or (lambda _: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    played, learnt = positions_of_search(4096), positions_of_search(batch, seed=1)
    speeds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    samples: dict[str, list[float]] = {name: [] for name in (*LEARNT, RESIDUAL)}
    try:
        for number in range(rounds):
            report(f"round {number + 1} of {rounds} ...")
            for name, architecture in VARIANTS.items():
                speeds[name].append(evaluations_a_second(architecture, played, seconds))
            for name in LEARNT:
                samples[name].append(samples_a_second(VARIANTS[name], learnt, seconds))
            samples[RESIDUAL].append(residual_samples_a_second(learnt, seconds))
    finally:
        torch.set_num_threads(threads)

    results: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []
    for kind, unit, figures, base in (
        ("evaluation", "evaluations/s", speeds, BASE),
        ("learning", "samples/s", samples, RESIDUAL),
    ):
        for name, values in figures.items():
            results.append({"name": f"{kind}, {name}", "value": statistics.median(values), "unit": unit})
            if name != base:
                quotients = [mine / other for mine, other in zip(values, figures[base], strict=True)]
                ratio = {"value": statistics.median(quotients), "low": min(quotients), "high": max(quotients)}
                ratios.append({"name": f"{kind}, {name} / {base}", **ratio})
    return {"results": results, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="time of one measurement")
    parser.add_argument("--batch", type=int, default=1024, help="positions of a learning step")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    found = run(
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        batch=chosen.batch,
        progress=lambda line: print(line, file=sys.stderr),
    )
    if chosen.json:
        print(json.dumps(found))
        return
    for result in found["results"]:
        print(f"{result['name']:64} {result['value']:>12,.0f} {result['unit']}")
    for ratio in found["ratios"]:
        print(f"{ratio['name']:64} {ratio['value']:>12.2f} times ({ratio['low']:.2f} to {ratio['high']:.2f})")


if __name__ == "__main__":
    main()
