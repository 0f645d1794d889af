"""The ladder of a run as a picture."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from agent import drawing
from training.evaluation.ladder.standings import FILE, Standing
from training.monitoring.pictures.frame import SIZE, Frame, picture

_BEYOND: Final = 200.0  # Elo that an interval may reach beyond all players: a score of 0 or 1 has no finite interval
_COLOURS: Final = (drawing.BLUE, "#d1242f", "#1a7f37", "#8250df")


def read_standings(folder: Path) -> list[Standing]:
    """The players in `folder/ladder.json`, best first; none where the file is missing, damaged or without a table."""
    try:
        return [Standing(**row) for row in json.loads((folder / FILE).read_text())["standings"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def picture_of_ladder(ladders: Mapping[str, Sequence[Standing]], title: str = "The ladder", below: str = "") -> str:
    """SVG of one run's ladder, or of several on one scale: Elo over minutes of training, anchors as dashed lines.
    `ladders` has the players by the name of their run; anchors in several of them are drawn once. `below` is a line
    under the title: what was played, and which player fixes the scale."""
    rows = [row for ladder in ladders.values() for row in ladder]
    elos = [row.elo for row in rows]
    lowest = min(max(min(row.elo_low for row in rows), min(elos) - _BEYOND), *elos) - 20
    highest = max(min(max(row.elo_high for row in rows), max(elos) + _BEYOND), *elos) + 20
    longest = max((row.minutes or 0.0 for row in rows), default=1.0) or 1.0
    frame = Frame(x=(-0.02 * longest, 1.02 * longest), y=(lowest, highest))
    timed_at_all = any(row.minutes is not None for row in rows)
    minutes = {mark: f"{mark:g}" for mark in ticks(0, longest)} if timed_at_all else {}
    marks = {mark: f"{mark:g}" for mark in ticks(lowest, highest)}
    parts = [frame.axes(minutes, marks, "minutes of training; bars: 95 % intervals")]
    right = frame.left + frame.width
    for row in {row.player: row for row in rows if row.minutes is None}.values():
        y = frame.at(0, row.elo)[1]
        parts.append(drawing.line(frame.left, y, right, y, drawing.PALE, 'stroke-dasharray="6 5"'))
        parts.append(drawing.text(right + 8, y + 4, f"{row.player} {row.elo:.0f}", 12))
    for number, (name, ladder) in enumerate(ladders.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        timed = sorted(((row.minutes, row) for row in ladder if row.minutes is not None), key=lambda pair: pair[0])
        parts += [frame.interval(at, row.elo_low, row.elo_high, colour) for at, row in timed]
        parts.append(frame.line([(at, row.elo) for at, row in timed], colour))
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
