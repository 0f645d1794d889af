"""The ladder of a run as `zeromass ladder` left it in the run folder, read leniently, and drawn for a dashboard."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import drawing

SIZE: Final = (1240, 480)
_BEYOND: Final = 200.0
"""Elo that an interval may reach beyond all players."""
_LEFT, _TOP, _WIDTH, _HEIGHT = 70, 60, 1140, 350


@dataclass(frozen=True)
class Rung:
    """One player of the ladder."""

    name: str
    elo: float
    low: float
    """Lower end of the 95 % interval; `elo` where none was written."""
    high: float
    games: int
    minutes: float | None
    """Training time of a checkpoint; None for anchors."""


def read_ladder(folder: Path) -> list[Rung]:
    """The rungs in `folder/ladder.json`, the strongest first; none where it is missing, torn or without a table."""
    try:
        found = json.loads((folder / "ladder.json").read_text())
    except (OSError, ValueError):
        return []
    rungs = [rung for row in _rows(found) if (rung := _rung(row)) is not None]
    return sorted(rungs, key=lambda rung: -rung.elo)


def picture_of_ladder(rungs: list[Rung]) -> str:
    """SVG: Elo over training time, anchors as lines across; without times, rung by rung."""
    timed = sorted((rung for rung in rungs if rung.minutes is not None), key=lambda rung: rung.minutes or 0.0)
    anchors = [rung for rung in rungs if rung.minutes is None]
    elos = [rung.elo for rung in rungs]
    # A score of 0 or 1 makes an interval without bounds: it may leave the picture.
    lowest = max(min(rung.low for rung in rungs), min(elos) - _BEYOND)
    highest = min(max(rung.high for rung in rungs), max(elos) + _BEYOND)
    room = max(highest - lowest, 50.0) * 0.08
    lowest, highest = lowest - room, max(highest, lowest + 50) + room
    longest = max((rung.minutes or 0.0 for rung in timed), default=1.0) or 1.0

    def y_of(elo: float) -> float:
        return _TOP + _HEIGHT * (highest - min(max(elo, lowest), highest)) / (highest - lowest)

    def x_of(minutes: float) -> float:
        return _LEFT + 20 + (_WIDTH - 40) * minutes / longest

    parts = [
        drawing.text(_LEFT, 28, "The ladder: Elo with its 95 % interval over training time", 17, bold=True),
        drawing.rectangle(_LEFT, _TOP, _WIDTH, _HEIGHT, drawing.PANEL),
    ]
    for mark in _marks(lowest, highest):
        parts.append(drawing.line(_LEFT, y_of(mark), _LEFT + _WIDTH, y_of(mark), "#d0d7de"))
        parts.append(drawing.text(_LEFT - 8, y_of(mark) + 4, f"{mark:.0f}", 12, anchor="end", fill=drawing.PALE))
    for anchor in anchors:
        y = y_of(anchor.elo)
        parts.append(drawing.line(_LEFT, y, _LEFT + _WIDTH, y, drawing.PALE, 'stroke-dasharray="6 5"'))
        parts.append(drawing.text(_LEFT + _WIDTH - 6, y - 5, anchor.name, 12, anchor="end", fill=drawing.PALE))
    path = " ".join(f"{x_of(rung.minutes or 0.0):.1f},{y_of(rung.elo):.1f}" for rung in timed)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{drawing.BLUE}" stroke-width="2"/>')
    for rung in timed:
        x = x_of(rung.minutes or 0.0)
        parts.append(drawing.line(x, y_of(rung.low), x, y_of(rung.high), drawing.BLUE, 'stroke-opacity="0.5"'))
        parts.append(f'<circle cx="{x:.1f}" cy="{y_of(rung.elo):.1f}" r="5" fill="{drawing.BLUE}"/>')
    for part in range(5):
        minutes = longest * part / 4
        parts.append(
            drawing.text(
                x_of(minutes), _TOP + _HEIGHT + 20, f"{minutes:.3g} min", 12, anchor="middle", fill=drawing.PALE
            )
        )
    return drawing.document(*SIZE, "".join(parts))


def _marks(lowest: float, highest: float) -> list[float]:
    """Round figures between both."""
    step = next((step for step in (25, 50, 100, 200, 250, 500) if (highest - lowest) / step <= 8), 1000)
    first = int(lowest // step) + 1
    return [float(step * number) for number in range(first, int(highest // step) + 1)]


def _rows(found: Any) -> list[Any]:
    """The table in whatever holds it."""
    if isinstance(found, list):
        return found
    standings = found.get("standings") if isinstance(found, dict) else None
    return standings if isinstance(standings, list) else []


def _rung(row: Any) -> Rung | None:
    if not isinstance(row, dict):
        return None
    try:
        elo = float(row["elo"])
        low, high = (float(row[key]) if row.get(key) is not None else elo for key in ("elo_low", "elo_high"))
        minutes = float(row["minutes"]) if row.get("minutes") is not None else None
        return Rung(str(row["player"]), elo, low, high, int(row.get("games") or 0), minutes)
    except (KeyError, TypeError, ValueError):
        return None
