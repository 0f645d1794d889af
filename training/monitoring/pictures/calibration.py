"""How well values agree with results: in numbers, and as a picture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent import drawing
from training.monitoring.pictures.frame import GRID, Frame, picture


class Calibration(NamedTuple):
    """Mean value and mean result by bin of the value."""

    predicted: NDArray[np.float64]  # [bins] mean value; NaN in an empty bin
    observed: NDArray[np.float64]  # [bins] mean score; NaN in an empty bin
    counts: NDArray[np.int64]  # [bins]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015, section 2): mean over plies of |mean value - mean score| of
        their bin, in points of -1..1."""
        filled = self.counts > 0
        gaps = np.abs(self.predicted[filled] - self.observed[filled])
        return float((gaps * self.counts[filled]).sum() / self.counts.sum())


def calibration(values: NDArray[np.floating], scores: NDArray[np.integer], bins: int = 10) -> Calibration:
    """Bins of equal width over -1..1 of values [N plies] and scores [N], both for the side to move."""
    rows = np.clip(((values + 1) / 2 * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(rows, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin is 0 / 0: NaN
        predicted = np.bincount(rows, values, minlength=bins) / counts
        observed = np.bincount(rows, scores, minlength=bins) / counts
    return Calibration(predicted, observed, counts)


def picture_of_calibration(values: NDArray[np.floating], scores: NDArray[np.integer], games: int) -> str:
    """SVG: mean result over mean value by bin, with the 95 % interval that so many games allow; bars count plies."""
    found = calibration(values, scores)
    frame = Frame(x=(-1, 1), y=(-1, 1))
    marks = {mark: f"{mark:+g}" for mark in (-1.0, -0.5, 0.0, 0.5, 1.0)}
    parts = [frame.axes(marks, marks, "value for the side to move")]
    points = []
    for row, count in enumerate(found.counts.tolist()):
        edges = (-1 + 2 * row / len(found.counts), -1 + 2 * (row + 1) / len(found.counts))
        parts.append(frame.bar(edges, 0.2 * count / max(int(found.counts.max()), 1), GRID))
        if not count:
            continue
        # Plies of one game share its result, so games, not plies, are the independent draws.
        independent = max(games * count / len(values), 1.0)
        mean = float(found.observed[row])
        half = 1.96 * float(np.sqrt(max(1 - mean * mean, 0.0) / independent))
        parts.append(frame.interval(float(found.predicted[row]), mean - half, mean + half))
        points.append((float(found.predicted[row]), mean))
    parts.append(drawing.line(*frame.at(-1, -1), *frame.at(1, 1), more='stroke-dasharray="5 5"'))
    parts.append(frame.line(points))
    caption = f"calibration error {found.error:.3f}; on the dashed line values equal results"
    return picture(f"Value against result, {len(values):,} plies of {games:,} games", parts, caption)
