"""A picture of how far values can be trusted: against results, bin by bin."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent import drawing
from training.monitoring.pictures.calibration import calibration, calibration_error

SIZE: Final = (700, 620)
_LEFT, _TOP, _SIDE = 70, 60, 480


def picture_of_calibration(values: NDArray[np.floating], scores: NDArray[np.integer], games: int) -> str:
    """SVG: mean result over mean value by bin, with the 95 % interval that so many games allow; bars are plies."""
    found = calibration(values, scores)
    error = calibration_error(values, scores)
    parts = [
        drawing.text(_LEFT, 28, f"Value against result, {len(values):,} plies of {games:,} games", 17, bold=True),
        drawing.text(_LEFT, 48, f"calibration error {error:.3f}; on the line the value is right", 13),
        drawing.rectangle(_LEFT, _TOP, _SIDE + 60, _SIDE, drawing.PANEL),
        drawing.line(_LEFT, _TOP + _SIDE, _LEFT + _SIDE + 60, _TOP, more='stroke-dasharray="5 5"'),
    ]
    for mark in (-1.0, -0.5, 0.0, 0.5, 1.0):
        x, y = _place(mark, mark)
        parts.append(drawing.text(x, _TOP + _SIDE + 20, f"{mark:+g}", 12, anchor="middle", fill=drawing.PALE))
        parts.append(drawing.text(_LEFT - 8, y + 4, f"{mark:+g}", 12, anchor="end", fill=drawing.PALE))
    parts.append(drawing.text(_LEFT + _SIDE / 2, _TOP + _SIDE + 42, "value for the side to move", 13, anchor="middle"))
    tallest = max(int(found.counts.max()), 1)
    points = []
    for row, count in enumerate(found.counts.tolist()):
        height = 90 * count / tallest
        x = _LEFT + (_SIDE + 60) * row / len(found.counts)
        width = (_SIDE + 60) / len(found.counts) - 3
        parts.append(drawing.rectangle(x + 1.5, _TOP + _SIDE - height, width, height, "#d0d7de"))
        if not count:
            continue
        # Plies of one game share its result, so that games, not plies, are the independent draws.
        independent = max(games * count / len(values), 1.0)
        mean = float(found.observed[row])
        half = 1.96 * float(np.sqrt(max(1 - mean * mean, 0.0) / independent))
        x, y = _place(float(found.predicted[row]), mean)
        low, high = _place(0, max(mean - half, -1.0))[1], _place(0, min(mean + half, 1.0))[1]
        parts.append(drawing.line(x, low, x, high, drawing.BLUE, 'stroke-opacity="0.5" stroke-width="3"'))
        points.append((x, y))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{drawing.BLUE}" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{drawing.BLUE}"/>' for x, y in points]
    return drawing.document(*SIZE, "".join(parts))


def _place(value: float, score: float) -> tuple[float, float]:
    return _LEFT + (_SIDE + 60) * (value + 1) / 2, _TOP + _SIDE * (1 - score) / 2
