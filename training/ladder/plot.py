"""The ladder as a picture: Elo with its interval against minutes of training, anchors as lines. SVG, drawn by hand."""

import math
from collections.abc import Sequence
from typing import Final

from training.ladder.standings import Standing, Standings

_STYLE: Final = 'font-family="Helvetica,Arial,DejaVu Sans,sans-serif"'
_WIDTH, _HEIGHT = 860, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 720, 60, 420


def plot_of(standings: Standings, title: str) -> str | None:
    """SVG of the snapshots; None: no file says when its weights were made."""
    curve = sorted((row for row in standings.rows if row.minutes is not None), key=lambda row: row.minutes or 0.0)
    if not curve:
        return None
    lines = [row for row in standings.rows if row.step is None]
    longest = max(row.minutes or 0.0 for row in curve) or 1.0
    elos = [row.elo for row in (*curve, *lines)]
    # A score of 0 or 1 makes an interval without bounds: it may leave the picture.
    low = max(min(row.elo_low for row in curve), min(elos) - 200)
    high = min(max(row.elo_high for row in curve), max(elos) + 200)
    low, high = min(low, *elos) - 20, max(high, *elos) + 20

    def x(minutes: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * minutes / longest

    def y(elo: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (min(max(elo, low), high) - low) / (high - low)

    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="#f6f8fa"/>']
    for elo in ticks(low, high):
        parts.append(f'<line x1="{_LEFT}" y1="{y(elo):.1f}" x2="{_RIGHT}" y2="{y(elo):.1f}" stroke="#d0d7de"/>')
        parts.append(_text(_LEFT - 8, y(elo) + 4, f"{elo:g}", anchor="end"))
    for minutes in ticks(0, longest):
        parts.append(_text(x(minutes), _BOTTOM + 18, f"{minutes:g}", anchor="middle"))
    for row in lines:
        parts.append(
            f'<line x1="{_LEFT}" y1="{y(row.elo):.1f}" x2="{_RIGHT}" y2="{y(row.elo):.1f}" stroke="#bf8700" '
            'stroke-dasharray="5 4"/>'
        )
        parts.append(_text(_RIGHT + 8, y(row.elo) + 4, f"{row.player} {row.elo:.0f}"))
    parts += _curve(curve, x=[x(row.minutes or 0.0) for row in curve], y=[y(row.elo) for row in curve])
    for row in curve:
        across, top, bottom = x(row.minutes or 0.0), y(row.elo_high), y(row.elo_low)
        parts.append(f'<line x1="{across:.1f}" y1="{top:.1f}" x2="{across:.1f}" y2="{bottom:.1f}" stroke="#1f6feb"/>')
    parts.append(_text(_LEFT, 28, title, 16, bold=True))
    parts.append(_text(_LEFT, 48, f"{standings.how}; {standings.scale}", 12))
    parts.append(
        _text((_LEFT + _RIGHT) / 2, _BOTTOM + 40, "minutes of training; bars: 95 % intervals", anchor="middle")
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers within low..high, at most `most` and a few less: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _curve(curve: Sequence[Standing], *, x: Sequence[float], y: Sequence[float]) -> list[str]:
    points = " ".join(f"{across:.1f},{up:.1f}" for across, up in zip(x, y, strict=True))
    dots = [
        f'<circle cx="{across:.1f}" cy="{up:.1f}" r="4" fill="#1f6feb">'
        f"<title>{row.player}: {row.elo:.0f}</title></circle>"
        for across, up, row in zip(x, y, curve, strict=True)
    ]
    return [f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="2"/>', *dots]


def _text(x: float, y: float, words: str, size: int = 12, *, bold: bool = False, anchor: str = "start") -> str:
    safe = words.replace("&", "&amp;").replace("<", "&lt;")
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{weight} fill="#24292f" {_STYLE}>'
        f"{safe}</text>"
    )
