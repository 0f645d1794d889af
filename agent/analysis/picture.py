"""Analysis as a picture: the value over the game, and the board of the worst move. SVG, or PNG by resvg."""

from pathlib import Path
from typing import Final

import chess
import chess.svg

from agent.drawing import BLUE, arrow, board_at, document, text, to_png
from agent.engine.report import Line
from agent.files import save
from agent.play.judge import Judged

_COLOURS: Final = {"blunder": "#d1242f", "mistake": "#bf3989", "inaccuracy": "#bf8700"}
_BOARD, _WIDTH, _HEIGHT = 360, 980, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 420, 960, 60, 380


def picture_of_game(judged: list[Judged], title: str) -> str:
    """SVG of a game: the value for White over the plies, verdicts as dots; the worst move as arrows on its board."""
    worst = max(judged, key=lambda move: move.lost)
    arrows = [arrow(worst.move, "#d1242f", 0xC0)]
    if worst.move != worst.best.move:
        arrows.append(arrow(worst.best.move, "#1a7f37", 0xC0))
    caption = worst.san
    if worst.lost >= 0.005:
        caption += f" lost {worst.lost:.2f}; better {worst.best_sans[0]}"
    return _document(_board(worst.board, arrows, caption), _curve(judged), title)


def picture_of_position(board: chess.Board, lines: tuple[Line, ...], title: str) -> str:
    """SVG of a position: its best moves as arrows, and as bars of prior and of their share of the search."""
    searched = max(sum(line.nodes for line in lines), 1)
    shares = [line.nodes / searched for line in lines]
    likeliest = [*zip(lines, shares, strict=True)][:5]
    arrows = [arrow(line.move, BLUE, int(60 + 190 * share)) for line, share in reversed(likeliest)]
    rows = []
    for place, line in enumerate(lines[:10]):
        y = _TOP + 32 * place
        for share, colour, low in ((line.prior, "#8c959f", 0), (shares[place], "#1f6feb", 11)):
            width = max(1.0, 330 * share)
            rows.append(f'<rect x="{_LEFT + 70}" y="{y + low}" width="{width:.1f}" height="9" fill="{colour}"/>')
        rows.append(text(_LEFT, y + 15, board.san(line.move), bold=place == 0))
        rows.append(text(_LEFT + 410, y + 15, line.value))
    rows.append(text(_LEFT, _BOTTOM + 20, "grey: prior, blue: share of the search, right: expected score", 12))
    return _document(_board(board, arrows, ""), "".join(rows), title)


def write_picture(path: Path, svg: str) -> None:
    """Write `svg` as it is, or as PNG where the name ends so. Raises InputError: it cannot be written."""
    save(path, to_png(svg, zoom=2) if path.suffix.lower() == ".png" else svg.encode())


def _document(left: str, right: str, title: str) -> str:
    return document(_WIDTH, _HEIGHT, left + text(_LEFT, 32, title, 16, bold=True) + right)


def _board(board: chess.Board, arrows: list[chess.svg.Arrow], caption: str) -> str:
    return board_at(20, 25, _BOARD, board, arrows, flipped=board.turn == chess.BLACK) + text(20, _BOARD + 50, caption)


def _curve(judged: list[Judged]) -> str:
    first, last = judged[0].ply, max(judged[-1].ply, judged[0].ply + 1)
    middle = (_TOP + _BOTTOM) / 2

    def place(move: Judged) -> tuple[float, float]:
        x = _LEFT + (_RIGHT - _LEFT) * (move.ply - first) / (last - first)
        return x, middle - (_BOTTOM - _TOP) / 2 * move.white_value

    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, judged))
    start, end = place(judged[0])[0], place(judged[-1])[0]
    parts = [
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="#f6f8fa"/>',
        f'<polygon points="{start:.1f},{middle} {points} {end:.1f},{middle}" fill="#1f6feb" fill-opacity="0.15"/>',
        f'<line x1="{_LEFT}" y1="{middle}" x2="{_RIGHT}" y2="{middle}" stroke="#8c959f"/>',
        f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="2"/>',
    ]
    for y, words in ((_TOP, "+1"), (middle, "0"), (_BOTTOM, "-1")):
        parts.append(text(_LEFT - 6, y + 4, words, 11, anchor="end"))
    for move in judged:
        if move.verdict:
            x, y = place(move)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{_COLOURS[move.verdict]}"/>')
    parts.append(text(_LEFT, _BOTTOM + 20, "expected score for White, ply by ply", 12))
    for x, (name, colour) in zip((660, 755, 850), _COLOURS.items(), strict=True):
        parts.append(f'<circle cx="{x}" cy="{_BOTTOM + 16}" r="4.5" fill="{colour}"/>')
        parts.append(text(x + 9, _BOTTOM + 20, name, 12))
    return "".join(parts)
