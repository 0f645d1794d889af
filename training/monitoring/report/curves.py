"""Curves as inline SVG for the report: the mean line, the spread behind it, the healthy range as a band."""

import json
from dataclasses import dataclass
from html import escape
from typing import Final

from training.monitoring.tags.tags import Tag, number

Points = list[tuple[int, float]]
"""(step, value), steps ascending."""

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 190, 46, 10, 12, 24
_BUCKETS: Final = 64
_CLASSES: Final = 8
"""Line colours that the style sheet has: c0, c1, ..."""


@dataclass(frozen=True)
class Bucket:
    """Some neighbouring rows."""

    step: float
    mean: float
    low: float
    high: float


def buckets(points: Points, count: int = _BUCKETS) -> list[Bucket]:
    """At most `count` buckets of equally many rows each (the last may have fewer)."""
    size = max(1, -(-len(points) // count))
    found = []
    for at in range(0, len(points), size):
        part = points[at : at + size]
        values = [value for _, value in part]
        step = sum(step for step, _ in part) / len(part)
        found.append(Bucket(step, sum(values) / len(values), min(values), max(values)))
    return found


def chart(title: str, lines: dict[str, Points], tags: dict[str, Tag]) -> str:
    """One chart as HTML.

    Args:
        title: above it.
        lines: points by tag name; every line has at least one.
        tags: what is known of each.
    """
    drawn = {name: buckets(points) for name, points in lines.items()}
    every = [bucket for found in drawn.values() for bucket in found]
    first, last = min(bucket.step for bucket in every), max(bucket.step for bucket in every)
    low, high = min(bucket.low for bucket in every), max(bucket.high for bucket in every)
    if high == low:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)

    def x_of(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - first) / max(last - first, 1e-9)

    def y_of(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    parts = []
    only = next(iter(tags.values())) if len(lines) == 1 else None
    if only is not None and only.has_range:
        top = y_of(min(high, only.high if only.high is not None else high))
        bottom = y_of(max(low, only.low if only.low is not None else low))
        if bottom > top:
            wide = _WIDTH - _LEFT - _RIGHT
            parts.append(f'<rect class="good" x="{_LEFT}" y="{top:.1f}" width="{wide}" height="{bottom - top:.1f}"/>')
    for part in range(3):
        value = low + (high - low) * part / 2
        y = y_of(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(f'<text x="{x_of(step):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{step:,.0f}</text>')
    for place, found in enumerate(drawn.values()):
        path = " ".join(f"{x_of(bucket.step):.1f},{y_of(bucket.mean):.1f}" for bucket in found)
        shape = [f"{x_of(bucket.step):.1f},{y_of(bucket.high):.1f}" for bucket in found]
        shape += [f"{x_of(bucket.step):.1f},{y_of(bucket.low):.1f}" for bucket in reversed(found)]
        colour = f"c{place % _CLASSES}"
        parts.append(f'<polygon class="spread {colour}" points="{" ".join(shape)}"/>')
        parts.append(f'<polyline class="curve {colour}" points="{path}"/>')
        if len(found) == 1:
            parts.append(
                f'<circle class="dot {colour}" r="3" cx="{x_of(found[0].step):.1f}" cy="{y_of(found[0].mean):.1f}"/>'
            )
    data = {
        name: [[round(bucket.step), bucket.mean, round(x_of(bucket.step), 1)] for bucket in found]
        for name, found in drawn.items()
    }
    names = "".join(
        f'<li class="c{place % _CLASSES}">{hover(name, tags[name])} <b>{tags[name].show(found[-1].mean)}</b></li>'
        for place, (name, found) in enumerate(drawn.items())
    )
    return (
        f'<figure class="chart" data-points="{escape(json.dumps(data), quote=True)}">'
        f"<figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">{"".join(parts)}'
        f'<line class="cross" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" x1="-9" x2="-9"/></svg>'
        f"<ul>{names}</ul><output></output></figure>"
    )


def hover(name: str, tag: Tag) -> str:
    """A tag's name, with its description on hover or focus."""
    return f'<span class="tip" tabindex="0">{escape(name)}<span>{escape(tag.description)}</span></span>'
