"""Whether a run is healthy, from its logged rows and the tags' healthy ranges alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Final

from training.monitoring.tags.tag import Tag
from training.monitoring.tags.tags import COLLAPSE, LEAK, SICK_ACTORS, STALE, STARVED, TAGS, UNSTABLE, find_tag

Row = Mapping[str, Any]
"""One line of log.jsonl: `step`, `time`, and values by tag."""

RECENT_ROWS: Final = 20
RECENT_SECONDS: Final = 60.0
"""What is judged together, so that one odd row is no sickness: so many rows, or those of so long if they are more."""
ENOUGH: Final = 3
"""Rows before anything is judged, other than a leak."""
_NEVER: Final = {name for name, tag in TAGS.items() if tag.sickness == LEAK}
_URGENCY: Final = (LEAK, SICK_ACTORS, COLLAPSE, UNSTABLE, STALE, STARVED)
"""Which sickness is named first when there are several: what ruins a run before what slows it."""


@dataclass(frozen=True)
class Finding:
    """A tag outside its healthy range."""

    tag: Tag
    name: str
    """Of the tag in the log, where `tag` is a family."""
    value: float
    """Of the recent rows."""

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.name} is {self.tag.show(self.value)} (healthy: {self.tag.healthy})"


@dataclass(frozen=True)
class Health:
    """What the rows say."""

    rows: int
    findings: tuple[Finding, ...]
    """The most urgent first."""

    @property
    def causes(self) -> list[str]:
        """Each sickness once, the most urgent first."""
        return list(dict.fromkeys(finding.tag.sickness for finding in self.findings))

    @property
    def verdict(self) -> str:
        """One line."""
        if self.findings:
            first = self.findings[0]
            return f"SICK: {first.tag.sickness}: {first.sentence}"
        if self.rows < ENOUGH:
            return f"TOO EARLY: {self.rows} rows logged, {ENOUGH} are needed"
        return "HEALTHY: all figures of the last minutes are within their healthy ranges"


def judge(rows: Sequence[Row]) -> Health:
    """Judge the recent rows; tags that are not known (of another version, say) are passed over."""
    findings = []
    for name, value in recent_values(rows).items():
        try:
            tag = find_tag(name)
        except KeyError:
            continue
        if not tag.fits(value) and (len(rows) >= ENOUGH or tag.sickness == LEAK):
            findings.append(Finding(tag, name, value))
    findings.sort(key=lambda finding: _urgency(finding.tag))  # stable: within a sickness as logged
    return Health(len(rows), tuple(findings))


def recent(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows that are judged."""
    since = _time(rows[-1]) - RECENT_SECONDS if rows else 0.0
    first = next((at for at, row in enumerate(rows) if _time(row) >= since), 0)
    return rows[max(min(first, len(rows) - RECENT_ROWS), 0) :]


def recent_values(rows: Sequence[Row]) -> dict[str, float]:
    """What the recent rows come to, by tag: the median, but the mean of what is counted game by game, and the worst of
    what must not happen even once."""
    found: dict[str, list[float]] = {}
    for row in recent(rows):
        for name, value in row.items():
            if name not in ("step", "time") and isinstance(value, int | float):
                found.setdefault(name, []).append(float(value))
    return {name: _summed_up(name, values) for name, values in found.items()}


def _summed_up(name: str, values: list[float]) -> float:
    if any(math.isnan(value) for value in values):
        return math.nan
    if name in _NEVER:
        return max(values)
    return fmean(values) if name.startswith("selfplay/") else float(median(values))


def _time(row: Row) -> float:
    return float(row.get("time", 0.0))


def _urgency(tag: Tag) -> int:
    return _URGENCY.index(tag.sickness) if tag.sickness in _URGENCY else len(_URGENCY)
