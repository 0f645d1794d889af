"""Where the policy moves from and to: two boards of shares, seen from the side to move."""

from collections.abc import Sequence
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from agent import drawing, vocabulary
from training.monitoring.figures import RecentGame
from training.monitoring.pictures.frame import picture

_SQUARE: Final = 58


def squares_of_moves(games: Sequence[RecentGame]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """int64 [64] how often a move began on each square, and [64] how often one ended there; given plies left out."""
    counts = np.zeros(vocabulary.SIZE, np.int64)
    for game in games:
        counts += np.bincount(game.moves[game.given :], minlength=vocabulary.SIZE)
    starts, ends = np.zeros(64, np.int64), np.zeros(64, np.int64)
    for move in np.flatnonzero(counts).tolist():
        uci = chess.Move.from_uci(vocabulary.to_uci(move, black=False))
        starts[uci.from_square] += counts[move]
        ends[uci.to_square] += counts[move]
    return starts, ends


def picture_of_heat(games: Sequence[RecentGame]) -> str:
    """SVG of both boards."""
    starts, ends = squares_of_moves(games)
    parts = []
    for counts, which, left in ((starts, "from", 90), (ends, "to", 670)):
        parts.append(drawing.text(left, 64, f"{which} (seen by the side to move)", 13, fill=drawing.PALE))
        shares = counts / max(int(counts.sum()), 1)
        largest = max(float(shares.max()), 1e-9)
        for place, name in enumerate("abcdefgh"):
            x, y = left + _SQUARE * (place + 0.5), 72 + _SQUARE * (7.55 - place)
            parts.append(drawing.text(x, 72 + _SQUARE * 8 + 16, name, 12, anchor="middle", fill=drawing.PALE))
            parts.append(drawing.text(left - 12, y, f"{place + 1}", 12, anchor="middle", fill=drawing.PALE))
        for square in range(64):
            x = left + _SQUARE * chess.square_file(square)
            y = 72 + _SQUARE * (7 - chess.square_rank(square))
            part = float(shares[square]) / largest
            parts.append(drawing.rectangle(x, y, _SQUARE - 2, _SQUARE - 2, _shade(part), 'rx="4"'))
            ink = "white" if part > 0.55 else drawing.INK
            words = f"{100 * shares[square]:.1f}"
            parts.append(drawing.text(x + _SQUARE / 2 - 1, y + 34, words, 13, anchor="middle", fill=ink))
    title = f"Where the last {len(games):,} games moved, {int(starts.sum()):,} moves, per cent"
    return picture(title, parts)


def _shade(part: float) -> str:
    """From near white to deep blue."""
    pale, deep = (240, 244, 250), (9, 63, 145)
    return "#" + "".join(f"{round(low + (high - low) * part**0.8):02x}" for low, high in zip(pale, deep, strict=True))
