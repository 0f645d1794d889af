"""How benchmarks print: matrices with contenders as columns and cases as rows, and the plain tables of every figure.

A benchmark module has `run(**options) -> dict` and may have `show(figures) -> list` of what `zeromass benchmark` prints
(Rich renderables or strings with Rich's markup); without it, `plain_tables` is printed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table


def figure(value: object) -> str:
    """A number as a cell shows it: whole from 1,000 on, four digits below."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return escape(str(value))


def ratio(value: float) -> str:
    """A ratio as a cell shows it, in bold."""
    return f"[bold]{value:.3g}x[/bold]"


def matrix(title: str, rows: Mapping[str, Mapping[str, str]], corner: str = "") -> Table:
    """A table of cells by row and column; a cell that a row lacks stays empty.

    Args:
        title: above the table.
        rows: row name to column name to cell, in the order to print; cells may have Rich's markup.
        corner: what the rows are.
    """
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(escape(corner))
    for column in columns:
        table.add_column(escape(column), justify="right")
    for name, cells in rows.items():
        table.add_row(escape(name), *(cells.get(column, "") for column in columns))
    return table


def plain_tables(figures: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Table]:
    """Every result and every ratio, a row each."""
    tables = []
    for title, columns in (("results", ("name", "value", "unit")), ("ratios", ("name", "value"))):
        table = Table(*columns, title=title, title_justify="left")
        for row in figures[title]:
            table.add_row(*(figure(row[key]) for key in columns))
        tables.append(table)
    return tables
