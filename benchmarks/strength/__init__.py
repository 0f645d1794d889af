"""How many winning chances the agent's moves lose, by a reference engine: `zeromass benchmark strength`.

    zeromass benchmark strength nodes=3000,12000 positions=100 search=gumbel weights=FILE

The loss of a move, its regret, is what the best move gives by Stockfish less what this one gives, in winning chances
0..1; see `reference.py`. The positions are fixed (`positions.py` made them). All budgets think about the same ones, so
that their difference has a narrower interval than each of them. The speed of the machine has no influence.
"""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import chess
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from rich.table import Table

from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.settings import PathText, Section
from benchmarks.measuring import Figures, Found, Progress, read_settings, split, table
from benchmarks.strength.positions import MOST, positions
from benchmarks.strength.reference import NODES, Reference

LOSSES: Final = (0.05, 0.15)  # moves that lose more are counted
_EVERY: Final = 20  # positions between two lines of progress
_Nodes = Annotated[int, Field(ge=1, le=10**8)]


class StrengthSettings(Section):
    nodes: Annotated[tuple[_Nodes, ...], BeforeValidator(split)] = (3000, 12_000, 48_000)
    positions: int = Field(MOST, ge=2, le=MOST)
    search: Literal["pvs", "gumbel"] = "pvs"  # Gumbel search takes `nodes` as simulations
    weights: PathText | None = None
    reference: int = Field(NODES, ge=1, le=10**9)  # the engine's nodes for one move; twice as many for the best one


def think(
    agent: Agent, reference: Reference, fens: Sequence[str], limits: Sequence[Limits], progress: Progress
) -> NDArray[np.float64]:
    """Regret, depth, nodes and seconds of the CPU [4, limits, positions] of a thought about each with each limit."""
    rows = list[list[tuple[float, float, int, float]]]()
    for done, fen in enumerate(fens, start=1):
        board = chess.Board(fen)
        rows.append([])
        for limit in limits:
            started = time.process_time()
            found = agent.think(board, limit, ThinkOptions(fresh=True))
            seconds = time.process_time() - started
            rows[-1].append((reference.regret(board, found.best.move), found.depth, found.nodes, seconds))
        if done % _EVERY == 0:
            reference.keep()
            means = ", ".join(f"{1000 * mean:.1f}" for mean in np.mean(rows, axis=0)[:, 0])
            progress(f"{done} of {len(fens)} positions, regret x 1000: {means}")
    return np.array(rows, np.float64).T


def add(figures: Figures, case: str, regrets: NDArray[np.float64]) -> None:
    """Add a mean regret with its 95 % interval."""
    mean, spread = float(regrets.mean()), 1.96 * float(regrets.std(ddof=1)) / len(regrets) ** 0.5
    figures.add(case, "regret", [1000 * mean], "1/1000", low=1000 * (mean - spread), high=1000 * (mean + spread))


def run(*, overrides: Sequence[str] = (), progress: Progress = lambda line: None) -> Found:
    """Measure the regret at each budget, and between each and the next."""
    settings, figures = read_settings(StrengthSettings, "strength", overrides), Figures()
    budgets, simulated = sorted(set(settings.nodes)), settings.search == "gumbel"
    limits = [Limits(simulations=budget) if simulated else Limits(nodes=budget) for budget in budgets]
    names = [f"{budget:,} {'simulations' if simulated else 'nodes'}" for budget in budgets]
    with Reference(settings.reference) as reference:
        agent = load_agent(Path(settings.weights) if settings.weights else None, progress=progress)
        progress(f"{agent.origin}, judged by {reference.name} at {settings.reference:,} nodes a move ...")
        thoughts = think(agent, reference, positions()[: settings.positions], limits, progress)
    for name, regrets, depths, nodes, seconds in zip(names, *thoughts, strict=True):
        add(figures, name, regrets)
        for loss in LOSSES:
            figures.add(name, f"> {loss}", [float((regrets > loss).mean())], "")
        figures.add(name, "depth", [float(depths.mean())], "plies")
        figures.add(name, "nodes/s of CPU", [float(nodes.sum() / seconds.sum())], "1/s")
    for (name, regrets), (other, fewer) in itertools.pairwise(zip(names, thoughts[0], strict=True)):
        add(figures, f"{other} less {name}", fewer - regrets)
    return figures.found


def show(found: Found) -> list[Table | str]:
    """One table, and a line for each difference."""
    less = [row for row in found["results"] if " less " in row["case"]]
    budgets = {**found, "results": [row for row in found["results"] if row not in less]}
    lines = (f"{row['case']}: {row['value']:.1f} ± {row['high'] - row['value']:.1f}" for row in less)
    return [table(budgets, "Winning chances lost a move, in thousandths", "budget"), *lines]
