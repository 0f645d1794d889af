"""Calibration of values: how far what was expected agrees with what came.

Shapes: N plies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """Values by bin, against what the games brought."""

    predicted: NDArray[np.float64]
    """[bins] mean value; NaN in an empty bin."""
    observed: NDArray[np.float64]
    """[bins] mean score; NaN in an empty bin."""
    counts: NDArray[np.int64]
    """[bins]"""


def calibration(values: NDArray[np.floating], scores: NDArray[np.integer], bins: int = 10) -> Calibration:
    """Bins of equal width over -1..1."""
    rows = np.clip(((values + 1) / 2 * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(rows, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin is 0 / 0: NaN, as said
        predicted = np.bincount(rows, values, minlength=bins) / counts
        observed = np.bincount(rows, scores, minlength=bins) / counts
    return Calibration(predicted, observed, counts)


def calibration_error(values: NDArray[np.floating], scores: NDArray[np.integer]) -> float:
    """Expected calibration error (Naeini et al. 2015, section 2): mean over plies of |mean value - mean score| of
    their bin, in points of -1..1."""
    found = calibration(values, scores)
    filled = found.counts > 0
    gaps = np.abs(found.predicted[filled] - found.observed[filled])
    return float((gaps * found.counts[filled]).sum() / found.counts.sum())
