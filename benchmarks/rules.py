"""Speed of the rules on one core, beside other libraries: `zeromass benchmark rules`.

zeromass benchmark rules --peers-python ../peers/bin/python    # peers in an environment of their own"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from agent import compilation, rules
from agent.compilation import njit
from agent.networks.residual import planes
from benchmarks.measuring import Figures, Found, Progress, in_turn, peer, rate, table, value_of

_ROOT: Final = Path(__file__).resolve().parent.parent
INPUTS: Final = ("packed positions", "float32 planes")  # what a ply leaves for a network: dense planes too
ENVIRONMENT: Final = "Gymnasium environment"
PEERS: Final = ("OpenSpiel", "python-chess", "PettingZoo")  # each makes what its users need for a ply, see `peers`


@njit
def _choose(
    indices: NDArray[np.uint16],
    counts: NDArray[np.int32],
    codes: NDArray[np.uint8],
    opening: NDArray[np.uint16],
    moves: NDArray[np.int64],
    state: NDArray[np.uint64],
) -> None:
    """A random legal move for each game, from `opening` where the game was just reset."""
    for i in range(counts.shape[0]):
        state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        dice = state[0] >> np.uint64(33)
        if codes[i]:
            moves[i] = opening[(dice * np.uint64(opening.shape[0])) >> np.uint64(31)]
        else:
            moves[i] = indices[i, (dice * np.uint64(counts[i])) >> np.uint64(31)]


def plies_a_second(*, dense: bool, batch: int = 256, seconds: float = 1.0) -> float:
    """Random games: legal moves as indices, all draw rules, step, and with `dense` float32 planes."""
    games = rules.Games(batch)
    out = games.observe()
    indices, counts, codes = out
    opening = indices[0, : counts[0]].copy()
    moves = np.empty(batch, np.int64)
    state = np.array([1], np.uint64)
    tensor = planes.planes(games.positions)

    def play() -> int:
        games.observe(out=out)
        over = np.flatnonzero(codes)
        if over.size:
            games.reset(over)
        if dense:
            planes.planes(games.positions, out=tensor)
        _choose(indices, counts, codes, opening, moves, state)
        games.play(moves, check=False)  # they come from observe
        return batch

    return rate(play, seconds)


def environment_plies_a_second(batch: int = 256, seconds: float = 1.0) -> float | None:
    """Random games of the vector environment, planes and masks included; None where gymnasium is not installed."""
    if find_spec("gymnasium") is None:
        return None
    from agent.env.vector import ChessVectorEnv

    envs, generator = ChessVectorEnv(batch), np.random.default_rng(1)
    mask = envs.reset(seed=1)[0]["action_mask"]

    def play() -> int:
        nonlocal mask
        legal, counts = np.flatnonzero(mask) % mask.shape[1], mask.sum(1, dtype=np.int64)
        # The actions of games that are over are ignored.
        drawn = legal[np.minimum(counts.cumsum() - counts + generator.integers(counts.clip(1)), len(legal) - 1)]
        mask = envs.step(drawn)[0]["action_mask"]
        return batch

    return rate(play, seconds)


def perft_nodes_a_second(depth: int = 6) -> float:
    """Leaves of the start position to `depth`, bulk-counted."""
    position = rules.from_fen(chess.STARTING_FEN)
    started = perf_counter()
    return rules.perft(position, depth) / (perf_counter() - started)


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


def run(
    *, rounds: int = 3, seconds: float = 1.0, peers_python: str = sys.executable, progress: Progress = lambda line: None
) -> Found:
    progress("measuring the first compile and the cached start ...")
    cold, cached = start_seconds()
    compilation.warm_up(progress)
    for dense in (False, True):
        plies_a_second(dense=dense, seconds=0.1)
    perft_nodes_a_second(4)

    contenders: dict[str, Callable[[], float | None]] = {"perft": perft_nodes_a_second}
    contenders |= {inputs: partial(plies_a_second, dense=inputs == INPUTS[1], seconds=seconds) for inputs in INPUTS}
    contenders[ENVIRONMENT] = partial(environment_plies_a_second, seconds=seconds)
    contenders |= {name: partial(peer, peers_python, name) for name in PEERS}
    speeds = in_turn(contenders, rounds, progress)
    figures = Figures()
    for inputs in [one for one in (*INPUTS, ENVIRONMENT) if one in speeds]:
        figures.add(inputs, "ours", speeds[inputs], "plies/s")
        for name in [one for one in PEERS if one in speeds]:
            figures.add(inputs, name, speeds[name], "plies/s")
            figures.ratio(inputs, name, speeds[inputs], speeds[name])
    figures.add("start", "perft", speeds["perft"], "nodes/s")
    figures.add("start", "first compile", [cold], "s")
    figures.add("start", "cached start", [cached], "s")
    return figures.found


def show(found: Found) -> list[Table | str]:
    perft, cold, cached = (value_of(found, "start", name) for name in ("perft", "first compile", "cached start"))
    return [
        table(found, "Plies/s on one core; in bold ours to the peer's", "a ply leaves", ("ours", *PEERS)),
        f"perft {perft / 1e6:,.0f} M nodes/s; first compile {cold:.1f} s, cached start {cached:.2f} s",
    ]
