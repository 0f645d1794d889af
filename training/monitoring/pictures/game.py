"""A sample game as a picture: boards where the most happened, with the policy's arrows, over the value curve."""

from collections.abc import Callable
from typing import Final

import chess
import chess.svg
import numpy as np
from numpy.typing import NDArray

from agent import drawing, rules, vocabulary
from selfplay.record import GameRecord

Policy = Callable[[NDArray[np.uint64]], NDArray[np.float32]]
"""Packed positions [B, WORDS] to probabilities [B, 1880]."""

SIZE: Final = (1240, 560)
_BOARD: Final = 296
_STEP: Final = 306
_RESULTS: Final = {1: "White won", 0: "Drawn", -1: "Black won"}
_LEFT, _TOP, _WIDTH, _HEIGHT = 44, 410, 1180, 116


def picture_of_record(record: GameRecord, policy: Policy) -> str:
    """SVG of a game.

    Args:
        record: at least one ply long.
        policy: what the arrows show.
    """
    plies = key_plies(white_values(record), 4)
    probabilities = policy(record.positions[plies])
    parts = [_title(record), _curve(record, plies)]
    for place, (ply, row) in enumerate(zip(plies, probabilities, strict=True)):
        parts.append(_board_of(record, ply, row, 8 + _STEP * place))
    return drawing.document(*SIZE, "".join(parts))


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


def _title(record: GameRecord) -> str:
    ended = record.termination.name.lower().replace("_", " ")
    told = f"{_RESULTS[record.outcome]}: {ended}, {record.plies} plies after {len(record.opening)} given"
    right = f"version {record.version}, seed {record.seed}"
    return drawing.text(14, 28, told, 17, bold=True) + drawing.text(
        SIZE[0] - 16, 28, right, 13, anchor="end", fill=drawing.PALE
    )


def _board_of(record: GameRecord, ply: int, probabilities: NDArray[np.floating], x: float) -> str:
    board = rules.to_board(record.positions[ply])
    black = board.turn == chess.BLACK
    arrows = []
    for move, probability in reversed(likeliest(probabilities)):
        drawn = chess.Move.from_uci(vocabulary.to_uci(move, black=black))
        strength = int(50 + 205 * probability**0.5)
        arrows.append(chess.svg.Arrow(drawn.from_square, drawn.to_square, color=f"#1f6feb{strength:02x}"))
    played = int(record.moves[ply])
    chosen = chess.Move.from_uci(vocabulary.to_uci(played, black=black))
    dots = "..." if black else "."
    told = f"{board.fullmove_number}{dots}{board.san(chosen)}   (ply {_number(ply, record)})"
    share = f"prior {100 * float(probabilities[played]):.0f} %"
    return (
        drawing.board_at(x, 44, _BOARD, board, arrows)
        + drawing.text(x + 8, 44 + _BOARD + 20, told, 15, bold=True)
        + drawing.text(x + _BOARD - 8, 44 + _BOARD + 20, share, 13, anchor="end", fill=drawing.BLUE)
    )


def _number(ply: int, record: GameRecord) -> int:
    """From the start of the game, 1 the first."""
    return len(record.opening) + ply + 1


def _curve(record: GameRecord, marked: list[int]) -> str:
    values = white_values(record)
    middle = _TOP + _HEIGHT / 2

    def place(ply: int) -> tuple[float, float]:
        return _LEFT + _WIDTH * ply / max(len(values) - 1, 1), middle - _HEIGHT / 2 * float(values[ply])

    points = " ".join("{:.1f},{:.1f}".format(*place(ply)) for ply in range(len(values)))
    parts = [
        drawing.text(_LEFT, _TOP - 14, "expected score for White, ply by ply", 12, fill=drawing.PALE),
        drawing.rectangle(_LEFT, _TOP, _WIDTH, _HEIGHT, drawing.PANEL),
        f'<polygon points="{_LEFT},{middle} {points} {place(len(values) - 1)[0]:.1f},{middle}" '
        f'fill="{drawing.BLUE}" fill-opacity="0.15"/>',
        drawing.line(_LEFT, middle, _LEFT + _WIDTH, middle),
        f'<polyline points="{points}" fill="none" stroke="{drawing.BLUE}" stroke-width="2"/>',
    ]
    parts += [
        drawing.text(_LEFT - 8, y + 4, words, 12, anchor="end", fill=drawing.PALE)
        for y, words in ((_TOP, "+1"), (middle, "0"), (_TOP + _HEIGHT, "-1"))
    ]
    for ply in marked:
        x, y = place(ply)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{drawing.BLUE}" stroke="white"/>')
        words, edge = f"ply {_number(ply, record)}", min(x, SIZE[0] - 28)
        parts.append(drawing.text(edge, _TOP + _HEIGHT + 18, words, 12, anchor="middle", fill=drawing.PALE))
    return "".join(parts)
