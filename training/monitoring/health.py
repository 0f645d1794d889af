"""Whether a run is healthy by its log. A figure is unhealthy if it is outside the range of its tag, or if the guard's
alarm about it is on: thresholds of the guard are judged in one place, where the figure is computed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from training.monitoring.tags.tags import CAUSES, LEAK, TAGS, Cause, Tag, find_tag

Row = Mapping[str, Any]  # one line of log.jsonl: `step`, `time`, and values by tag

RECENT_ROWS: Final = 20
RECENT_SECONDS: Final = 60.0  # judged together: the last rows, or those of this long if more: one odd row is no verdict
ENOUGH: Final = 3  # rows before anything other than a leak is judged
_NEVER: Final = {name for name, tag in TAGS.items() if tag.cause == LEAK}


def series(rows: Sequence[Row], name: str) -> list[tuple[int, float]]:
    """(step, value) of one tag in every row that has it."""
    return [(row["step"], float(row[name])) for row in rows if isinstance(row.get(name), int | float)]


class Finding(NamedTuple):
    """A figure that is not healthy."""

    tag: Tag
    cause: Cause  # what it most likely means
    name: str  # of the tag in the log, where `tag` is a family
    value: float  # of the recent rows

    @property
    def sentence(self) -> str:
        """The figure in words."""
        why = f"healthy: {self.tag.healthy}" if self.tag.healthy else "an alarm of the guard"
        return f"{self.name} is {self.tag.show(self.value)} ({why})"


class Health(NamedTuple):
    """The verdict on a run."""

    rows: Sequence[Row]  # that were judged
    findings: tuple[Finding, ...]  # the most urgent first

    @property
    def causes(self) -> list[str]:
        """Each cause once, the most urgent first."""
        return list(dict.fromkeys(finding.cause.name for finding in self.findings))

    @property
    def verdict(self) -> str:
        """One line."""
        if self.findings:
            return f"SICK: {self.findings[0].cause.name}: {self.findings[0].sentence}"
        if len(self.rows) < ENOUGH:
            return f"TOO EARLY: {len(self.rows)} rows logged, {ENOUGH} are needed"
        return "HEALTHY: all figures of the last minutes are within their healthy ranges"


def judge(rows: Sequence[Row]) -> Health:
    """Judge the recent rows; unknown tags (of another version, say) are skipped."""
    values = recent_values(rows)
    findings = []
    for name, value in values.items():
        try:
            tag = find_tag(name)
        except KeyError:
            continue
        alarm = values.get(f"guard/alarm/{name.removeprefix('guard/')}") if name.startswith("guard/") else None
        if tag.cause and (not tag.fits(value) or alarm) and (len(rows) >= ENOUGH or tag.cause == LEAK):
            findings.append(Finding(tag, tag.cause, name, value))
    return Health(rows, tuple(sorted(findings, key=lambda found: CAUSES.index(found.cause))))


def recent_values(rows: Sequence[Row]) -> dict[str, float]:
    """The recent rows in one value by tag: the median, but the largest of what must always be 0, and the newest of what
    the guard computed over its own windows; NaN where one of them is."""
    found: dict[str, list[float]] = {}
    for row in _recent(rows):
        for name, value in row.items():
            if name not in ("step", "time") and isinstance(value, int | float):
                found.setdefault(name, []).append(float(value))
    newest = {name: values[-1] for name, values in found.items() if name.startswith("guard/")}
    return {name: float((np.max if name in _NEVER else np.median)(values)) for name, values in found.items()} | newest


def _recent(rows: Sequence[Row]) -> Sequence[Row]:
    since = rows[-1].get("time", 0.0) - RECENT_SECONDS if rows else 0.0
    first = next((at for at, row in enumerate(rows) if row.get("time", 0.0) >= since), 0)
    return rows[max(min(first, len(rows) - RECENT_ROWS), 0) :]
