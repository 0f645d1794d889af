"""A picture of how probable the moves played were: then, and to today's network."""

import numpy as np
from numpy.typing import NDArray

from agent import drawing
from training.monitoring.pictures.frame import GREY, Frame, picture

_BINS = np.linspace(0, 1, 21)


def picture_of_priors(prior: NDArray[np.floating], chosen: NDArray[np.floating], searched: bool) -> str:
    """SVG: two histograms.

    Args:
        prior: [N] probability that the network gives today to the moves of sample games.
        chosen: [M] probability of the moves of recent games when they were chosen.
        searched: whether search chose them.
    """
    frame = Frame(x=(0, 1), y=(0, 1))
    parts = [frame.axes({mark / 100: f"{mark} %" for mark in (0, 25, 50, 75, 100)}, {})]
    shares = [np.histogram(sample, _BINS)[0] / max(len(sample), 1) for sample in (chosen, prior)]
    tallest = max(float(np.max(shares)), 1e-9)
    for share, colour, inset in zip(shares, (GREY, drawing.BLUE), (0.0, 0.012), strict=True):
        for low, height in zip(_BINS, share.tolist(), strict=False):
            parts.append(frame.bar((low + inset, low + 0.05 - inset), 0.94 * height / tallest, colour))
    when = "after search, when played" if searched else "when played"
    for y, words, sample, colour in ((88, when, chosen, GREY), (110, "prior of today's network", prior, drawing.BLUE)):
        told = f"{words}: {len(sample):,} moves, mean {100 * float(sample.mean()):.0f} %"
        parts.append(drawing.rectangle(400, y - 11, 12, 12, colour) + drawing.text(420, y, told, 13))
    return picture("Probability of the move played", parts)
