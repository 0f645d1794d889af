"""Curves as inline SVG for the report: the mean line, the spread behind it, the healthy range as a band."""

import json
from collections.abc import Iterable
from html import escape
from typing import Final, NamedTuple

import numpy as np

from training.monitoring.pictures.frame import Frame
from training.monitoring.tags.tags import Tag, number

Points = list[tuple[int, float]]  # (step, value), steps ascending

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 190, 46, 350, 12, 166
_BUCKETS: Final = 64
_CLASSES: Final = 8  # line colours that the style sheet has: c0, c1, ...


class Bucket(NamedTuple):
    """Some neighbouring rows."""

    step: float
    mean: float
    low: float
    high: float


def buckets(points: Points) -> list[Bucket]:
    """At most `_BUCKETS` buckets of equally many rows each, give or take one."""
    parts = np.array_split(np.array(points, np.float64), min(len(points), _BUCKETS))
    return [Bucket(*map(float, (x.mean(), y.mean(), y.min(), y.max()))) for x, y in (part.T for part in parts)]


def chart(title: str, lines: dict[str, Points], tags: dict[str, Tag]) -> str:
    """One chart as HTML: `lines` has the points by tag name, one or more a line, `tags` the documentation of each."""
    drawn = {name: buckets(points) for name, points in lines.items()}
    every = [bucket for found in drawn.values() for bucket in found]
    first, last = min(bucket.step for bucket in every), max(bucket.step for bucket in every)
    low, high = min(bucket.low for bucket in every), max(bucket.high for bucket in every)
    if high == low:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    frame = Frame((first, max(last, first + 1e-9)), (low, high), _LEFT, _TOP, _RIGHT - _LEFT, _BOTTOM - _TOP)

    def path(pairs: Iterable[tuple[float, float]]) -> str:
        return " ".join("{:.1f},{:.1f}".format(*frame.at(*pair)) for pair in pairs)

    parts = []
    only = next(iter(tags.values())) if len(lines) == 1 else None
    if only is not None and only.healthy:
        top = high if only.high is None else min(high, only.high)
        bottom = low if only.low is None else max(low, only.low)
        band = path([(first, top), (last, top), (last, bottom), (first, bottom)])
        parts.append(f'<polygon class="good" points="{band}"/>' if top > bottom else "")
    for value in (low, (low + high) / 2, high):
        y = frame.at(first, value)[1]
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for edge, step, anchor in ((_LEFT, first, "start"), (_RIGHT, last, "end")):
        parts.append(f'<text x="{edge}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{step:,.0f}</text>')
    for place, found in enumerate(drawn.values()):
        colour = f"c{place % _CLASSES}"
        upper = [(bucket.step, bucket.high) for bucket in found]
        spread = path([*upper, *((bucket.step, bucket.low) for bucket in reversed(found))])
        parts.append(f'<polygon class="spread {colour}" points="{spread}"/>')
        mean = path((bucket.step, bucket.mean) for bucket in found)
        parts.append(f'<polyline class="curve {colour}" points="{mean}"/>')
        if len(found) == 1:
            x, y = frame.at(found[0].step, found[0].mean)
            parts.append(f'<circle class="dot {colour}" r="3" cx="{x:.1f}" cy="{y:.1f}"/>')
    data = {
        name: [[round(bucket.step), bucket.mean, round(frame.at(bucket.step, low)[0], 1)] for bucket in found]
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
        f'<line class="cross" y1="{_TOP}" y2="{_BOTTOM}" x1="-9" x2="-9"/></svg>'
        f"<ul>{names}</ul><output></output></figure>"
    )


def hover(name: str, tag: Tag) -> str:
    """A tag's name, with its description on hover or focus."""
    return f'<span class="tip" tabindex="0">{escape(name)}<span>{escape(tag.description)}</span></span>'
