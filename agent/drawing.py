"""SVG elements that all pictures use, and SVG as PNG by resvg."""

import re
from typing import Final

import chess
import chess.svg

INK: Final = "#24292f"  # text
PALE: Final = "#8c959f"  # axes and notes
BLUE: Final = "#1f6feb"  # what the agent thinks
PANEL: Final = "#f6f8fa"  # behind curves
_STYLE: Final = 'font-family="Helvetica,Arial,DejaVu Sans,sans-serif"'


def text(
    x: float, y: float, words: str, size: float = 14, *, bold: bool = False, anchor: str = "start", fill: str = INK
) -> str:
    """One line of text with its baseline at y."""
    safe = "".join(filter(str.isprintable, words)).replace("&", "&amp;").replace("<", "&lt;")  # XML has no others
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"{weight}'
    return f'<text {place} fill="{fill}" {_STYLE}>{safe}</text>'


def rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    """A filled rectangle; `more` are further attributes."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" {more}/>'


def line(x: float, y: float, to_x: float, to_y: float, stroke: str = PALE, more: str = "") -> str:
    """A straight line; `more` are further attributes."""
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{stroke}" {more}/>'


def board_at(
    x: float, y: float, size: int, board: chess.Board, arrows: list[chess.svg.Arrow], *, flipped: bool = False
) -> str:
    """python-chess's board with its corner at (x, y)."""
    drawn = chess.svg.board(board, arrows=arrows, size=size, flipped=flipped)
    return re.sub(r"<svg ", f'<svg x="{x:g}" y="{y:g}" ', drawn, count=1)


def arrow(move: chess.Move, colour: str, opacity: int) -> chess.svg.Arrow:
    """A move on a board; opacity is 0..255."""
    return chess.svg.Arrow(move.from_square, move.to_square, color=f"{colour}{opacity:02x}")


def document(width: int, height: int, content: str) -> str:
    """A whole SVG file on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" fill="white"/>{content}</svg>\n'
    )


def to_png(svg: str, zoom: int) -> bytes:
    """PNG of an SVG file, `zoom` times its size."""
    import resvg_py  # a compiled library; not before it is needed

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom))
