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
from typing import Annotated, Any, Final, Literal, NamedTuple

import chess
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.errors import InputError
from agent.settings import PathText, Section
from benchmarks.measuring import Figures, Found, Progress
from benchmarks.strength.positions import MOST, positions
from benchmarks.strength.reference import NODES, Reference

REGRET: Final = "regret"
LOSSES: Final = (0.05, 0.15)
"""Moves that lose more are counted."""
_EVERY: Final = 20  # positions between two lines of progress
_Nodes = Annotated[int, Field(ge=1, le=10**8)]


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class StrengthSettings(Section):
    """What is measured."""

    nodes: Annotated[tuple[_Nodes, ...], BeforeValidator(_split)] = (3000, 12_000, 48_000)
    positions: int = Field(MOST, ge=2, le=MOST)
    search: Literal["pvs", "gumbel"] = "pvs"
    """Gumbel search takes `nodes` as simulations."""
    weights: PathText | None = None
    reference: int = Field(NODES, ge=1, le=10**9)
    """The engine's nodes for one move; twice as many for the best one."""


class Thoughts(NamedTuple):
    """About all positions with one budget, [positions] each."""

    regrets: NDArray[np.float64]
    depths: NDArray[np.float64]
    nodes: NDArray[np.float64]
    seconds: NDArray[np.float64]  # of the CPU


def settings_of(overrides: Sequence[str]) -> StrengthSettings:
    """From `key=value` words. Raises InputError."""
    pairs = [override.partition("=") for override in overrides]
    for (key, separator, _), override in zip(pairs, overrides, strict=True):
        if not separator or key not in StrengthSettings.model_fields:
            names = ", ".join(StrengthSettings.model_fields)
            raise InputError(f"'{override}' is no setting of benchmark strength; those are {names}")
    try:
        return StrengthSettings.model_validate({key: value for key, _, value in pairs})
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise InputError(f"setting {first['loc'][0]}={first['input']} is refused: {reason}") from error


def think(
    agent: Agent, reference: Reference, fens: Sequence[str], limits: Sequence[Limits], progress: Progress
) -> list[Thoughts]:
    """Think about every position with each of the limits, and let the reference judge the moves."""
    rows = list[list[tuple[float, float, int, float]]]()
    for done, fen in enumerate(fens, start=1):
        board, row = chess.Board(fen), list[tuple[float, float, int, float]]()
        for limit in limits:
            started = time.process_time()
            found = agent.think(board, limit, ThinkOptions(fresh=True))
            seconds = time.process_time() - started
            row.append((reference.regret(board, found.best.move), found.depth, found.nodes, seconds))
        rows.append(row)
        if done % _EVERY == 0:
            reference.keep()
            means = ", ".join(f"{1000 * mean:.1f}" for mean in np.mean(rows, axis=0)[:, 0])
            progress(f"{done} of {len(fens)} positions, regret x 1000: {means}")
    return [Thoughts(*np.array([row[place] for row in rows], np.float64).T) for place in range(len(limits))]


def mean_of(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean and its 95 % interval."""
    mean, spread = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return {"value": mean, "low": mean - spread, "high": mean + spread}


def add(figures: Figures, case: str, values: NDArray[np.float64]) -> None:
    """Add a mean regret with its interval."""
    found = {key: 1000 * value for key, value in mean_of(values).items()}
    figures.add(case, REGRET, [found.pop("value")], "1/1000", **found)


def run(*, overrides: Sequence[str] = (), progress: Progress = lambda line: None) -> Found:
    """Measure the regret at each budget, and between each and the next."""
    settings = settings_of(overrides)
    budgets = sorted(set(settings.nodes))
    limits = [Limits(nodes=n) if settings.search == "pvs" else Limits(simulations=n) for n in budgets]
    figures, unit = Figures(), "nodes" if settings.search == "pvs" else "simulations"
    names = [f"{budget:,} {unit}" for budget in budgets]
    with Reference(settings.reference) as reference:
        agent = load_agent(Path(settings.weights) if settings.weights else None, progress=progress)
        progress(f"{agent.origin}, judged by {reference.name} at {settings.reference:,} nodes a move ...")
        thoughts = think(agent, reference, positions()[: settings.positions], limits, progress)
    for name, found in zip(names, thoughts, strict=True):
        add(figures, name, found.regrets)
        for loss in LOSSES:
            figures.add(name, f"> {loss}", [float((found.regrets > loss).mean())], "")
        figures.add(name, "depth", [float(found.depths.mean())], "plies")
        figures.add(name, "nodes/s of CPU", [float(found.nodes.sum() / found.seconds.sum())], "1/s")
    for (name, found), (other, more) in itertools.pairwise(zip(names, thoughts, strict=True)):
        add(figures, f"{other} less {name}", more.regrets - found.regrets)
    return figures.found


def show(found: Found) -> list[Table | str]:
    """One table, and a line for each difference."""
    rows = dict[str, list[str]]()
    for row in found["results"]:
        value = f"{row['value']:,.3g}" if row["value"] < 1000 else f"{row['value']:,.0f}"
        if row["contender"] == REGRET:
            value = f"{row['value']:.1f} ± {row['high'] - row['value']:.1f}"
        rows.setdefault(row["case"], []).append(value if row["unit"] else f"{100 * row['value']:.1f} %")
    columns = list(dict.fromkeys(row["contender"] for row in found["results"]))
    shown = Table("budget", title="Winning chances lost a move, in thousandths", title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column, justify="right")
    lines = list[str]()
    for case, cells in rows.items():
        if len(cells) == len(columns):
            shown.add_row(case, *cells)
        else:
            lines.append(f"{case}: {cells[0]}")
    return [shown, *lines]
