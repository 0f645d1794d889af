"""Speed of the rules on one core, beside what a user would otherwise pick.

    python -m benchmarks.rules
    python -m benchmarks.rules --peers-python ../peers/bin/python    # peers in an environment of their own

Figures come from the same sitting: ours and each peer in turn, `rounds` times; results are medians,
and a ratio is the median of the rounds' ratios. Close everything else first.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal

import chess
import numpy as np
from numpy.typing import NDArray

from agent import compilation, rules
from agent.compilation import njit
from agent.networks.residual import planes

_ROOT: Final = Path(__file__).resolve().parent.parent
Inputs = Literal["packed", "dense"]
"""What of a ply the network gets: packed positions, or float32 planes."""
INPUTS: Final[dict[Inputs, str]] = {
    "packed": "ply, packed",
    "dense": "ply, dense planes",
}
PEERS: Final = {
    "OpenSpiel": "observation + mask + step",
    "python-chess": "legal moves + outcome + push",
    "Pgx": "step with observation and mask, batch 512",
}


@njit
def _choose(
    indices: NDArray[np.uint16],
    counts: NDArray[np.int32],
    codes: NDArray[np.uint8],
    opening: NDArray[np.uint16],
    moves: NDArray[np.int64],
    state: NDArray[np.uint64],
) -> None:
    """A random legal move for each game, of the `opening` moves where the game has just begun anew."""
    for i in range(counts.shape[0]):
        state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        dice = state[0] >> np.uint64(33)
        if codes[i]:
            moves[i] = opening[(dice * np.uint64(opening.shape[0])) >> np.uint64(31)]
        else:
            moves[i] = indices[i, (dice * np.uint64(counts[i])) >> np.uint64(31)]


def plies_a_second(inputs: Inputs, *, batch: int = 256, seconds: float = 1.0) -> float:
    """Random games: legal moves as indices, all draw rules, step, and unless `packed` float32 planes."""
    games = rules.Games(batch)
    out = games.observe()
    indices, counts, codes = out
    opening = indices[0, : counts[0]].copy()
    moves = np.empty(batch, np.int64)
    state = np.array([1], np.uint64)
    tensor = planes.planes(games.positions)
    plies, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        for _ in range(16):
            games.observe(out=out)
            over = np.flatnonzero(codes)
            if over.size:
                games.reset(over)
            if inputs == "dense":
                planes.planes(games.positions, out=tensor)
            _choose(indices, counts, codes, opening, moves, state)
            games.play(moves, check=False)  # they come from observe
        plies += 16 * batch
    return plies / (perf_counter() - started)


def perft_nodes_a_second(depth: int = 6) -> float:
    """Leaves of the start position to `depth`, counted in bulk."""
    position = rules.from_fen(chess.STARTING_FEN)
    started = perf_counter()
    nodes = rules.perft(position, depth)
    return nodes / (perf_counter() - started)


def start_seconds() -> tuple[float, float]:
    """Seconds from the start of a process until the rules are compiled, and until they are loaded from the cache."""
    code = "from agent import compilation, rules; compilation.warm_up()"
    with tempfile.TemporaryDirectory() as cache:
        taken = []
        for _ in range(2):
            started = perf_counter()
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            subprocess.run([sys.executable, "-c", code], cwd=_ROOT, env=environment, check=True)
            taken.append(perf_counter() - started)
    return taken[0], taken[1]


def peer_plies_a_second(peer: str, python: str) -> float | None:
    """A peer's plies a second, measured in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("rules_peers.py")
    run = subprocess.run([python, str(script), peer], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{peer} under {python} failed: {run.stderr.strip()[-500:]}")
    figure = json.loads(run.stdout)
    return None if figure is None else float(figure)


def run(
    *,
    rounds: int = 3,
    seconds: float = 1.0,
    batch: int = 256,
    peers_python: str = sys.executable,
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure everything.

    Args:
        rounds: times that ours and the peers are measured in turn.
        seconds: time of one measurement of ours.
        batch: games played at once.
        peers_python: interpreter that has the peers; those it lacks are left out.
        progress: gets lines of text.

    Returns:
        {"results": [{name, value, unit}], "ratios": [{name, value, low, high}]}; a ratio is ours to the peer's.
    """
    report = progress or (lambda _: None)
    report("measuring the first compile and the cached start ...")
    cold, cached = start_seconds()
    compilation.warm_up(progress)
    for inputs in INPUTS:
        plies_a_second(inputs, batch=batch, seconds=0.1)
    perft_nodes_a_second(4)

    perft: list[float] = []
    ours: dict[Inputs, list[float]] = {inputs: [] for inputs in INPUTS}
    theirs: dict[str, list[float]] = {peer: [] for peer in PEERS}
    for number in range(rounds):
        report(f"round {number + 1} of {rounds} ...")
        perft.append(perft_nodes_a_second())
        for inputs, figures in ours.items():
            figures.append(plies_a_second(inputs, batch=batch, seconds=seconds))
        for peer in list(theirs):
            figure = peer_plies_a_second(peer, peers_python)
            if figure is None:
                report(f"{peer} is not installed for {peers_python}: left out")
                del theirs[peer]
            else:
                theirs[peer].append(figure)

    median = statistics.median
    results: list[dict[str, Any]] = [
        {"name": "perft from the start, bulk-counted", "value": median(perft), "unit": "nodes/s"},
        *({"name": INPUTS[inputs], "value": median(figures), "unit": "plies/s"} for inputs, figures in ours.items()),
        {"name": "first compile", "value": cold, "unit": "s"},
        {"name": "cached start", "value": cached, "unit": "s"},
    ]
    ratios: list[dict[str, Any]] = []
    for peer, figures in theirs.items():
        results.append({"name": f"{peer}: {PEERS[peer]}", "value": median(figures), "unit": "plies/s"})
        for inputs, title in INPUTS.items():
            quotients = [mine / other for mine, other in zip(ours[inputs], figures, strict=True)]
            name = f"{title} / {peer}"
            ratios.append({"name": name, "value": median(quotients), "low": min(quotients), "high": max(quotients)})
    return {"results": results, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers installed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="time of one measurement of ours")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    found = run(
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        batch=chosen.batch,
        peers_python=chosen.peers_python,
        progress=lambda line: print(line, file=sys.stderr),
    )
    if chosen.json:
        print(json.dumps(found))
        return
    for result in found["results"]:
        value = f"{result['value']:,.2f}" if result["unit"] == "s" else f"{result['value']:,.0f}"
        print(f"{result['name']:56} {value:>15} {result['unit']}")
    for ratio in found["ratios"]:
        print(f"{ratio['name']:56} {ratio['value']:>15.1f} times ({ratio['low']:.1f} to {ratio['high']:.1f})")


if __name__ == "__main__":
    main()
