"""A picture of how probable the moves played were: then, and to today's network."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent import drawing

SIZE: Final = (700, 620)
_LEFT, _TOP, _SIDE = 70, 60, 480


def picture_of_priors(prior: NDArray[np.floating], chosen: NDArray[np.floating], searched: bool) -> str:
    """SVG: how probable the moves played were.

    Args:
        prior: [N] probability that the network gives today to the moves of sample games.
        chosen: [M] probability that the moves of recent games had under what chose them.
        searched: whether that was search.
    """
    bins = np.linspace(0, 1, 21)
    told = "after search, when played" if searched else "when played"
    parts = [drawing.text(_LEFT, 28, "Probability of the move played", 17, bold=True)]
    tallest = 1e-9
    shares = []
    for sample in (chosen, prior):
        counts = np.histogram(sample, bins)[0] / max(len(sample), 1)
        tallest = max(tallest, float(counts.max()))
        shares.append(counts)
    parts.append(drawing.rectangle(_LEFT, _TOP, _SIDE + 60, _SIDE, drawing.PANEL))
    step = (_SIDE + 60) / 20
    for counts, fill, offset, width in (
        (shares[0], "#b6c2cf", 1.0, step - 2),
        (shares[1], drawing.BLUE, 8.0, step - 16),
    ):
        for row, share in enumerate(counts.tolist()):
            height = (_SIDE - 30) * share / tallest
            parts.append(drawing.rectangle(_LEFT + step * row + offset, _TOP + _SIDE - height, width, height, fill))
    for mark in (0, 25, 50, 75, 100):
        x = _LEFT + (_SIDE + 60) * mark / 100
        parts.append(drawing.text(x, _TOP + _SIDE + 20, f"{mark} %", 12, anchor="middle", fill=drawing.PALE))
    legends = (
        (f"{told}: {len(chosen):,} moves, mean {100 * float(chosen.mean()):.0f} %", "#b6c2cf", 88),
        (f"prior of today's network: {len(prior):,} moves, mean {100 * float(prior.mean()):.0f} %", drawing.BLUE, 110),
    )
    for words, fill, y in legends:
        parts.append(drawing.rectangle(_LEFT + 160, y - 11, 12, 12, fill))
        parts.append(drawing.text(_LEFT + 180, y, words, 13))
    return drawing.document(*SIZE, "".join(parts))
