"""What a benchmark measured: results and ratios by case and contender, and their table."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.tables import figure, matrix, ratio

Found = Mapping[str, Sequence[Mapping[str, Any]]]
"""{"results": [{name, value, unit, case, contender}], "ratios": [{name, value, low, high, case, contender}]}."""


class Figures:
    """Collects medians of rounds."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.ratios: list[dict[str, Any]] = []

    def add(self, case: str, contender: str, values: Sequence[float], unit: str) -> None:
        """Add the median of a contender's `values`, one a round."""
        row = {"name": f"{case}: {contender}", "value": statistics.median(values), "unit": unit}
        self.results.append({**row, "case": case, "contender": contender})

    def ratio(self, case: str, contender: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
        """Add the median of the rounds' ratios of `ours` to a contender's `theirs`."""
        quotients = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        row = {"name": f"{case}: / {contender}", "value": statistics.median(quotients)}
        self.ratios.append({**row, "low": min(quotients), "high": max(quotients), "case": case, "contender": contender})

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Both lists."""
        return {"results": self.results, "ratios": self.ratios}


def value_of(found: Found, case: str, contender: str) -> float:
    """One result; a KeyError where it was not measured."""
    for row in found["results"]:
        if (row["case"], row["contender"]) == (case, contender):
            return float(row["value"])
    raise KeyError(f"{case}: {contender}")


def table(found: Found, title: str, corner: str, contenders: Sequence[str] | None = None) -> Table:
    """Cases as rows, contenders (all, or those given) as columns; behind a figure its ratio in bold.

    Shares, which have no unit, are printed in per cent.
    """
    cells: dict[str, dict[str, str]] = {}
    for row in found["results"]:
        value = figure(row["value"]) if row["unit"] else f"{100 * row['value']:.0f} %"
        cells.setdefault(row["case"], {})[row["contender"]] = value
    for row in found["ratios"]:
        behind = cells.setdefault(row["case"], {})
        behind[row["contender"]] = f"{behind.get(row['contender'], '')} {ratio(row['value'])}".strip()
    if contenders is not None:
        cells = {case: {name: row[name] for name in contenders if name in row} for case, row in cells.items()}
    return matrix(title, {case: row for case, row in cells.items() if row}, corner)
