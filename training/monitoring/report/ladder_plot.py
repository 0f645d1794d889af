"""The ladder as a picture: Elo with its interval over minutes of training, anchors as lines across."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from agent import drawing
from training.monitoring.report.ladder_table import Rung

SIZE: Final = (1240, 480)
_BEYOND: Final = 200.0
"""Elo that an interval may reach beyond all players: a score of 0 or 1 makes one without bounds."""
_LEFT, _TOP, _WIDTH, _HEIGHT = 70, 60, 980, 350
_GRID: Final = "#d0d7de"
_COLOURS: Final = (drawing.BLUE, "#d1242f", "#1a7f37", "#8250df")


def picture_of_ladder(ladders: Mapping[str, Sequence[Rung]], title: str = "The ladder", below: str = "") -> str:
    """SVG of one run's ladder, or of several that share a scale; `below` is a line under the title.

    Args:
        ladders: the rungs by the name of their run; anchors that stand in several are drawn once.
        title: of the picture.
        below: what was played, and where the scale hangs.
    """
    rungs = [rung for ladder in ladders.values() for rung in ladder]
    elos = [rung.elo for rung in rungs]
    lowest = max(min(rung.low for rung in rungs), min(elos) - _BEYOND)
    highest = min(max(rung.high for rung in rungs), max(elos) + _BEYOND)
    lowest, highest = min(lowest, *elos) - 20, max(highest, *elos) + 20
    longest = max((rung.minutes or 0.0 for rung in rungs), default=1.0) or 1.0

    def x_of(minutes: float) -> float:
        return _LEFT + 20 + (_WIDTH - 40) * minutes / longest

    def y_of(elo: float) -> float:
        return _TOP + _HEIGHT * (highest - min(max(elo, lowest), highest)) / (highest - lowest)

    parts = [
        drawing.text(_LEFT, 28, title, 17, bold=True),
        drawing.text(_LEFT, 48, below, 12),
        drawing.rectangle(_LEFT, _TOP, _WIDTH, _HEIGHT, drawing.PANEL),
    ]
    for elo in ticks(lowest, highest):
        parts.append(drawing.line(_LEFT, y_of(elo), _LEFT + _WIDTH, y_of(elo), _GRID))
        parts.append(drawing.text(_LEFT - 8, y_of(elo) + 4, f"{elo:g}", 12, anchor="end", fill=drawing.PALE))
    for minutes in ticks(0, longest) if any(rung.minutes is not None for rung in rungs) else []:
        across = x_of(minutes)
        parts.append(drawing.text(across, _TOP + _HEIGHT + 18, f"{minutes:g}", 12, anchor="middle", fill=drawing.PALE))
    for rung in {rung.name: rung for rung in rungs if rung.minutes is None}.values():
        y = y_of(rung.elo)
        parts.append(drawing.line(_LEFT, y, _LEFT + _WIDTH, y, drawing.PALE, 'stroke-dasharray="6 5"'))
        parts.append(drawing.text(_LEFT + _WIDTH + 8, y + 4, f"{rung.name} {rung.elo:.0f}", 12))
    for number, (name, ladder) in enumerate(ladders.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        timed = sorted((rung for rung in ladder if rung.minutes is not None), key=lambda rung: rung.minutes or 0.0)
        path = " ".join(f"{x_of(rung.minutes or 0.0):.1f},{y_of(rung.elo):.1f}" for rung in timed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for rung in timed:
            x = x_of(rung.minutes or 0.0)
            parts.append(drawing.line(x, y_of(rung.low), x, y_of(rung.high), colour, 'stroke-opacity="0.5"'))
            parts.append(f'<circle cx="{x:.1f}" cy="{y_of(rung.elo):.1f}" r="4" fill="{colour}"/>')
        if len(ladders) > 1:
            parts.append(drawing.text(_LEFT + _WIDTH - 12, _TOP + _HEIGHT - 12 - 20 * number, name, 14,
                                      bold=True, anchor="end", fill=colour))  # fmt: skip
    axis = "minutes of training; bars: 95 % intervals"
    parts.append(drawing.text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 44, axis, 12, anchor="middle"))
    return drawing.document(*SIZE, "".join(parts))


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers within low..high, at most `most` and a few less: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
