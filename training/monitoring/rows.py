"""The log of a run, read while another process may be writing it."""

import json
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a log by step; a torn last line, or one that is no row, is passed over. Empty if there is no log."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def match_rows(path: Path) -> list[dict[str, Any]]:
    """The matches of matches.jsonl as rows: matches are curves too, but no rows of the log."""
    return [
        {"step": row["step"], **{f"evaluation/{key}": row.get(key) for key in ("score", "elo", "elo_low", "elo_high")}}
        for row in read_rows(path)
    ]


def series(rows: list[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    """(step, value) of one tag in every row that has it."""
    return [(row["step"], float(row[name])) for row in rows if isinstance(row.get(name), int | float)]
