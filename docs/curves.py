"""Tables of runs for docs/learning.md, from what they logged: `python docs/curves.py RUN...`, RUN a run folder."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

PARTS = 6
"""Rows of a table: the run in equal parts."""
COLUMNS = {
    "value loss": "loss/value",
    "entropy, nats": "policy/entropy",
    "decisive": "guard/decisive",
    "mates a rook or more ahead": "guard/mate_rate_ahead",
    "plies a game": "selfplay/length",
    "value's gain over a constant": "guard/value_gain",
    "spread of values": "guard/value_spread",
    "distinct openings": "guard/unique_openings",
}


def table(run: Path) -> str:
    """Means over each part of a run, as Markdown; time is the clock's, from the first row on."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    started = rows[0]["time"]
    lines = [f"| minutes | step | {' | '.join(COLUMNS)} |", "|---" * (2 + len(COLUMNS)) + "|"]
    for part in np.array_split(np.arange(len(rows)), PARTS):
        inside = [rows[row] for row in part]
        cells = [_mean(inside, tag) for tag in COLUMNS.values()]
        lines.append(f"| {(inside[-1]['time'] - started) / 60:.0f} | {inside[-1]['step']:,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def totals(run: Path) -> str:
    """What a run came to, in one line."""
    found = json.loads((run / "summary.json").read_text())
    alarms = [news["text"] for news in found["guard"] if news["text"].startswith("alarm")]
    return (
        f"{found['games']:,} games, {found['positions']:,} plies, {found['steps']:,} steps in "
        f"{found['seconds'] / 60:.0f} minutes; {found['distributions']:,} distributions, largest invalid mass "
        f"{found['largest_invalid_mass']}; alarms of the guard: {len(alarms)}"
    )


def _mean(rows: list[dict[str, Any]], tag: str) -> str:
    values = [row[tag] for row in rows if tag in row]
    return f"{np.mean(values):.3g}" if values else ""


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"### {Path(name).name}\n\n{totals(Path(name))}.\n\n{table(Path(name))}\n")
