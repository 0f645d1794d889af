"""How benchmarks measure, and tables of what they found: contenders as columns, cases as rows, ratios in bold."""

import json
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from agent.errors import InputError
from agent.settings import Section

SectionType = TypeVar("SectionType", bound=Section)
Found = dict[str, Any]
"""{"results": [{name, value, unit, case, contender}], "ratios": [{name, value, low, high, case, contender}]}."""

Progress = Callable[[str], None]  # gets lines of text


class Figures:
    def __init__(self) -> None:
        self.found: Found = {"results": [], "ratios": []}

    def add(self, case: str, contender: str, values: Sequence[float], unit: str, **more: Any) -> None:
        """Add the median of a contender's `values`, one a round."""
        row = {"name": f"{case}: {contender}", "value": statistics.median(values), "unit": unit}
        self.found["results"].append({**row, "case": case, "contender": contender, **more})

    def ratio(self, case: str, contender: str, ours: Sequence[float], theirs: Sequence[float], **more: Any) -> None:
        """Add the median of the rounds' ratios of `ours` to a contender's `theirs`."""
        quotients = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        row = {"name": f"{case}: / {contender}", "value": statistics.median(quotients)}
        row |= {"low": min(quotients), "high": max(quotients)}
        self.found["ratios"].append({**row, "case": case, "contender": contender, **more})


def value_of(found: Found, case: str, contender: str) -> float:
    """One result; a KeyError where it was not measured."""
    values = {(row["case"], row["contender"]): float(row["value"]) for row in found["results"]}
    return values[case, contender]


def table(found: Found, title: str, corner: str, contenders: Sequence[str] | None = None) -> Table:
    """Cases as rows, contenders (all, or those given) as columns; behind a figure its ratio in bold. Shares, which have
    no unit, are printed in per cent, intervals as ±. `corner` says what the rows are."""
    cells: dict[tuple[str, str], str] = {}
    for row in found["results"]:
        value, error = row["value"], f" ± {row['high'] - row['value']:.2g}" if "high" in row else ""
        whole = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}{error}"
        cells[row["case"], row["contender"]] = whole if row["unit"] else f"{100 * value:.3g} %"
    for row in found["ratios"]:
        place = row["case"], row["contender"]
        cells[place] = f"{cells.get(place, '')} [bold]{row['value']:.3g}x[/bold]".strip()
    cells = {place: cell for place, cell in cells.items() if contenders is None or place[1] in contenders}
    columns = dict.fromkeys(contender for _, contender in cells)
    shown = Table(escape(corner), title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        shown.add_column(escape(column), justify="right")
    for case in dict.fromkeys(case for case, _ in cells):
        shown.add_row(escape(case), *(cells.get((case, column), "") for column in columns))
    return shown


def split(value: Any) -> Any:
    """A list written with commas, for a field's validator."""
    return value.split(",") if isinstance(value, str) else value


def read_settings(section: type[SectionType], what: str, overrides: Sequence[str]) -> SectionType:
    """The settings of benchmark `what` from `key=value` words. Raises InputError."""
    for override in overrides:
        key, separator, _ = override.partition("=")
        if not separator or key not in section.model_fields:
            names = ", ".join(section.model_fields)
            raise InputError(f"'{override}' is no setting of benchmark {what}; those are {names}")
    try:
        return section.model_validate(dict(override.split("=", 1) for override in overrides))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "missing":
            raise InputError(f"benchmark {what} needs {first['loc'][0]}=...; zeromass benchmark --help") from error
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise InputError(f"setting {first['loc'][0]}={first['input']} is refused: {reason}") from error


def rate(call: Callable[[], int], seconds: float) -> float:
    """Sum of what `call` returns, a second; it is called at least once."""
    total, started = 0, perf_counter()
    while not total or perf_counter() - started < seconds:
        total += call()
    return total / (perf_counter() - started)


def in_turn(
    contenders: Mapping[str, Callable[[], float | None]], rounds: int, progress: Progress = lambda line: None
) -> dict[str, list[float]]:
    """What each contender measures, one value a round; they take turns, so that a slow moment hits all. One that
    returns None cannot be measured here and is left out."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds} ...")
        for name, measure in contenders.items():
            value = measure() if name in found else None
            if value is not None:
                found[name].append(value)
            elif found.pop(name, None) is not None:
                progress(f"{name} is not installed: left out")
    return found


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def peer(python: str, name: str) -> float | None:
    """The figure of a peer, measured by `peers.py` in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("peers.py")
    run = subprocess.run([python, str(script), name], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{script.name} {name} under {python} failed: {run.stderr.strip()[-500:]}")
    figure = json.loads(run.stdout)
    return None if figure is None else float(figure)
