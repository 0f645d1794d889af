"""The ladder of a run, as `zeromass ladder` left it in the run folder: read leniently, and drawn."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import drawing
from training.monitoring.pictures.frame import SIZE, Frame, picture

_BEYOND: Final = 200.0
"""Elo that an interval may reach beyond all players: a score of 0 or 1 has no finite interval."""
_COLOURS: Final = (drawing.BLUE, "#d1242f", "#1a7f37", "#8250df")


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
    standings = found.get("standings") if isinstance(found, dict) else found
    rows = standings if isinstance(standings, list) else []
    rungs = [rung for row in rows if (rung := _rung(row)) is not None]
    return sorted(rungs, key=lambda rung: -rung.elo)


def _rung(row: Any) -> Rung | None:
    try:
        elo = float(row["elo"])
        low, high = (float(row[key]) if row.get(key) is not None else elo for key in ("elo_low", "elo_high"))
        minutes = float(row["minutes"]) if row.get("minutes") is not None else None
        return Rung(str(row["player"]), elo, low, high, int(row.get("games") or 0), minutes)
    except (KeyError, TypeError, ValueError):
        return None


def picture_of_ladder(ladders: Mapping[str, Sequence[Rung]], title: str = "The ladder", below: str = "") -> str:
    """SVG of one run's ladder, or of several on one scale: Elo over minutes of training, anchors as dashed lines.

    Args:
        ladders: the rungs by the name of their run; anchors in several of them are drawn once.
        title: of the picture.
        below: a line under the title: what was played, and which player fixes the scale.
    """
    rungs = [rung for ladder in ladders.values() for rung in ladder]
    elos = [rung.elo for rung in rungs]
    lowest = min(max(min(rung.low for rung in rungs), min(elos) - _BEYOND), *elos) - 20
    highest = max(min(max(rung.high for rung in rungs), max(elos) + _BEYOND), *elos) + 20
    longest = max((rung.minutes or 0.0 for rung in rungs), default=1.0) or 1.0
    frame = Frame(x=(-0.02 * longest, 1.02 * longest), y=(lowest, highest))
    timed_at_all = any(rung.minutes is not None for rung in rungs)
    minutes = {mark: f"{mark:g}" for mark in ticks(0, longest)} if timed_at_all else {}
    axis = "minutes of training; bars: 95 % intervals"
    parts = [frame.axes(minutes, {mark: f"{mark:g}" for mark in ticks(lowest, highest)}, axis)]
    right = frame.left + frame.width
    for rung in {rung.name: rung for rung in rungs if rung.minutes is None}.values():
        y = frame.at(0, rung.elo)[1]
        parts.append(drawing.line(frame.left, y, right, y, drawing.PALE, 'stroke-dasharray="6 5"'))
        parts.append(drawing.text(right + 8, y + 4, f"{rung.name} {rung.elo:.0f}", 12))
    for number, (name, ladder) in enumerate(ladders.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        timed = sorted(((rung.minutes, rung) for rung in ladder if rung.minutes is not None), key=lambda pair: pair[0])
        parts += [frame.interval(at, rung.low, rung.high, colour) for at, rung in timed]
        parts.append(frame.line([(at, rung.elo) for at, rung in timed], colour))
        if len(ladders) > 1:
            y = SIZE[1] - 76 - 20 * number
            parts.append(drawing.text(right - 12, y, name, 14, bold=True, anchor="end", fill=colour))
    return picture(title, parts, below)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers within low..high, at most `most` and a few less: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
