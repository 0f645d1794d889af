"""What a benchmark measured, and its tables: contenders as columns, cases as rows, ratios in bold."""

import statistics
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

Found = dict[str, Any]
"""{"results": [{name, value, unit, case, contender}], "ratios": [{name, value, low, high, case, contender}]}."""


class Figures:
    """Collects the figures of all rounds."""

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
    for row in found["results"]:
        if (row["case"], row["contender"]) == (case, contender):
            return float(row["value"])
    raise KeyError(f"{case}: {contender}")


def table(found: Found, title: str, corner: str, contenders: Sequence[str] | None = None) -> Table:
    """Cases as rows, contenders (all, or those given) as columns; behind a figure its ratio in bold.

    Shares, which have no unit, are printed in per cent. `corner` says what the rows are.
    """
    cells: dict[tuple[str, str], str] = {}
    for row in found["results"]:
        value = row["value"]
        whole = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        cells[row["case"], row["contender"]] = whole if row["unit"] else f"{100 * value:.0f} %"
    for row in found["ratios"]:
        place = row["case"], row["contender"]
        cells[place] = f"{cells.get(place, '')} [bold]{row['value']:.3g}x[/bold]".strip()
    cells = {place: cell for place, cell in cells.items() if contenders is None or place[1] in contenders}
    columns = dict.fromkeys(contender for _, contender in cells)
    shown = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column(escape(corner))
    for column in columns:
        shown.add_column(escape(column), justify="right")
    for case in dict.fromkeys(case for case, _ in cells):
        shown.add_row(escape(case), *(cells.get((case, column), "") for column in columns))
    return shown
