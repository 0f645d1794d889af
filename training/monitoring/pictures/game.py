"""A sample game as a picture: boards where the most happened, with the policy's arrows, over the value curve."""

from collections.abc import Callable
from typing import Final

import chess
import chess.svg
import numpy as np
from numpy.typing import NDArray

from agent import drawing, rules, vocabulary
from selfplay.record import GameRecord
from training.monitoring.pictures.frame import SIZE, Frame, picture

_BOARD, _STEP = 290, 306
_RESULTS: Final = {1: "White won", 0: "Drawn", -1: "Black won"}


def picture_of_record(record: GameRecord, policy: Callable[[NDArray[np.uint64]], NDArray[np.float32]]) -> str:
    """SVG of a game of one ply or more; the arrows show `policy`, from packed positions [B, WORDS] to probabilities
    [B, 1880]."""
    plies = key_plies(white_values(record), 4)
    parts = [_curve(record, plies)]
    for place, (ply, row) in enumerate(zip(plies, policy(record.positions[plies]), strict=True)):
        parts.append(_board_of(record, ply, row, 8 + _STEP * place))
    ended = record.termination.name.lower().replace("_", " ")
    title = f"{_RESULTS[record.outcome]}: {ended}, {record.plies} plies after {len(record.opening)} given"
    made = f"version {record.version}, seed {record.seed}"
    parts.append(drawing.text(SIZE[0] - 16, 28, made, 13, anchor="end", fill=drawing.PALE))
    return picture(title, parts)


def white_values(record: GameRecord) -> NDArray[np.float32]:
    """[T] values for White."""
    return np.where(rules.is_black(record.positions), -record.values, record.values)


def key_plies(values: NDArray[np.floating], count: int) -> list[int]:
    """At most `count` plies, in order: the last one and those before which the value moved the most, well apart."""
    last = len(values) - 1
    chosen = [last]
    apart = max(1, len(values) // (3 * count))
    for ply in np.argsort(-np.abs(np.diff(values, prepend=values[:1])), kind="stable").tolist():
        if len(chosen) < count and all(abs(ply - other) >= apart for other in chosen):
            chosen.append(ply)
    return sorted(chosen)


def likeliest(probabilities: NDArray[np.floating], count: int = 5) -> list[tuple[int, float]]:
    """At most `count` moves with their probabilities, the likeliest first."""
    order = np.argsort(-probabilities, kind="stable")[:count].tolist()
    return [(move, float(probabilities[move])) for move in order if probabilities[move] > 0]


def _board_of(record: GameRecord, ply: int, probabilities: NDArray[np.floating], x: float) -> str:
    board = rules.to_board(record.positions[ply])
    black = board.turn == chess.BLACK
    arrows = []
    for move, probability in reversed(likeliest(probabilities)):
        drawn = chess.Move.from_uci(vocabulary.to_uci(move, black=black))
        arrows.append(drawing.arrow(drawn, drawing.BLUE, int(50 + 205 * probability**0.5)))
    played = int(record.moves[ply])
    chosen = chess.Move.from_uci(vocabulary.to_uci(played, black=black))
    dots = "..." if black else "."
    caption = f"{board.fullmove_number}{dots}{board.san(chosen)}   (ply {len(record.opening) + ply + 1})"
    share = f"prior {100 * float(probabilities[played]):.0f} %"
    below = 56 + _BOARD + 18
    left = drawing.board_at(x, 56, _BOARD, board, arrows) + drawing.text(x + 8, below, caption, 15, bold=True)
    return left + drawing.text(x + _BOARD - 8, below, share, 13, anchor="end", fill=drawing.BLUE)


def _curve(record: GameRecord, marked: list[int]) -> str:
    values = white_values(record).tolist()
    frame = Frame(x=(0, max(len(values) - 1, 1)), y=(-1, 1), left=44, top=410, width=1160, height=116)
    marks = {float(ply): f"ply {len(record.opening) + ply + 1}" for ply in marked}
    parts = [
        drawing.text(44, 402, "expected score for White, ply by ply", 12, fill=drawing.PALE),
        frame.axes(marks, {1.0: "+1", 0.0: "0", -1.0: "-1"}),
        frame.line(list(enumerate(values)), dots=False),
    ]
    for ply in marked:
        x, y = frame.at(ply, values[ply])
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{drawing.BLUE}" stroke="white"/>')
    return "".join(parts)
