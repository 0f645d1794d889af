"""`zeromass status`: a run's health in the terminal, the verdict first."""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from training.durability.run_folder import RunFolder, read_rows
from training.monitoring.health import Health, Row, judge, recent_values, series
from training.monitoring.tags.tags import find_tag
from training.settings import GuardSettings

SHOWN: Final = (
    "evaluation/score loss/value loss/policy policy/entropy policy/invalid_mass_max leak/multiplied_mean "
    "guard/decisive guard/unique_openings selfplay/length value/calibration_error selfplay/positions_per_second "
    "learner/steps_per_second replay/reuse system/version_lag time/waiting time/playing time/writing system/restarts"
)
"""Figures that are always shown; those that are not healthy are added."""
REFRESH: Final = 2.0  # seconds
_BARS: Final = "▁▂▃▄▅▆▇█"
_STYLES: Final = {"HEALTHY": "bold green", "TOO EARLY": "bold yellow", "SICK": "bold red"}


def status_command(run: str, follow: bool, as_json: bool) -> int:
    """Run `zeromass status`; returns the exit code, 1 if the run is sick. With `follow` it refreshes until Ctrl-C, or
    until the run has ended. An InputError where there is no such run."""
    folder = RunFolder.find(run)
    console = Console(highlight=False)
    health = _follow(folder, console) if follow else judge(read_rows(folder.log))
    if as_json and not follow:
        print(json.dumps(to_json(folder, health)))
    elif not follow:
        if not console.is_terminal:
            console.width = 160  # a pipe does not wrap
        console.print(screen(folder, health))
    return 1 if health.findings else 0


def to_json(folder: RunFolder, health: Health) -> dict[str, Any]:
    """For scripts: `run verdict causes findings rows step age ended values`."""
    rows = health.rows
    return {
        "run": folder.path.name,
        "verdict": health.verdict,
        "causes": health.causes,
        "findings": [
            {"tag": found.name, "value": found.value, "cause": found.cause.name, "advice": found.cause.suggestion}
            for found in health.findings
        ],
        "rows": len(rows),
        "step": rows[-1]["step"] if rows else 0,
        "age": _age(rows),
        "ended": has_ended(folder),
        "values": recent_values(rows),
    }


def screen(folder: RunFolder, health: Health) -> Group:
    """The screen for people."""
    verdict = Text(health.verdict, style=_STYLES[health.verdict.split(":")[0]])
    where = "no rows yet; they begin with the first learner steps"
    if health.rows:
        age = "ended" if has_ended(folder) else f"last row {_age(health.rows):.0f} s ago"
        where = f"step {health.rows[-1]['step']:,}, {len(health.rows):,} rows, {age}"
        if waiting := health.rows[-1].get("system/workers_waiting"):
            where += f", {waiting:.0f} game actors wait for a node with room"
    parts: list[Any] = [verdict, Text(f"{folder.path}: {where}", style="dim")]
    if health.findings:
        table = Table.grid(padding=(0, 2))
        for finding in health.findings:
            table.add_row(
                Text(finding.cause.name, style="red"), Text(finding.sentence), f"do: {finding.cause.suggestion}"
            )
        parts.append(Panel(table, title="what is wrong, the worst first", title_align="left", expand=False))
    if health.rows:
        parts.append(_figures(health, folder.settings([]).guard))
    return Group(*parts)


def sparkline(values: list[float], width: int = 16) -> str:
    """At most `width` means of the finite `values` as bars between their least and largest."""
    values = [value for value in values if math.isfinite(value)]
    means = [float(part.mean()) for part in np.array_split(values, min(len(values), width) or 1) if part.size]
    low, high = min(means, default=0.0), max(means, default=0.0)
    return "".join(_BARS[round((mean - low) / ((high - low) or 1.0) * (len(_BARS) - 1))] for mean in means)


def has_ended(folder: RunFolder) -> bool:
    """Whether the run wrote its summary after its last row."""
    summary = folder.path / "summary.json"
    return summary.exists() and (not folder.log.exists() or summary.stat().st_mtime >= folder.log.stat().st_mtime)


def _follow(folder: RunFolder, console: Console) -> Health:
    health = judge(read_rows(folder.log))
    live = Live(screen(folder, health), console=console, auto_refresh=False)
    with contextlib.suppress(KeyboardInterrupt), live:  # Ctrl-C is the normal way to end it
        while not has_ended(folder):
            time.sleep(REFRESH)
            health = judge(read_rows(folder.log))
            live.update(screen(folder, health), refresh=True)
    return health


def _age(rows: Sequence[Row]) -> float | None:
    return round(max(time.time() - float(rows[-1].get("time", 0.0)), 0.0), 1) if rows else None


def _figures(health: Health, guard: GuardSettings) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "figure", "lately", "healthy", "since the start"):
        table.add_column(column, no_wrap=True)
    values = recent_values(health.rows)
    sick = {finding.name for finding in health.findings}
    for name in dict.fromkeys((*SHOWN.split(), *sorted(sick))):
        if name in values:
            tag = find_tag(name)
            tag = tag.limited(getattr(guard, name.removeprefix("guard/"))) if tag.limit else tag
            mark = Text("!", style="bold red") if name in sick else Text("✓" if tag.healthy else " ", style="green")
            bars = sparkline([value for _, value in series(health.rows, name)])
            table.add_row(
                mark, Text(name), tag.show(values[name]), Text(tag.healthy, style="dim"), Text(bars, style="blue")
            )
    return table
