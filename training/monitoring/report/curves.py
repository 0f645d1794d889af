"""Curves of the report: the mean line, the spread behind it, the healthy range as a band."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np

from training.monitoring.pictures.frame import Frame
from training.monitoring.tags.tags import find_tag

Points = list[tuple[int, float]]  # (step, value), steps ascending

_BUCKETS: Final = 64


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


def chart(title: str, lines: dict[str, Points]) -> dict[str, Any]:
    """What the template draws as one chart, coordinates included; `lines` has the points by tag, one or more a line."""
    drawn = {name: buckets(points) for name, points in lines.items()}
    every = [bucket for found in drawn.values() for bucket in found]
    first, last = min(bucket.step for bucket in every), max(bucket.step for bucket in every)
    low, high = min(bucket.low for bucket in every), max(bucket.high for bucket in every)
    if high == low:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    frame = Frame((first, max(last, first + 1e-9)), (low, high), left=46, top=12, width=304, height=154)

    def path(pairs: Iterable[tuple[float, float]]) -> str:
        return " ".join("{:.1f},{:.1f}".format(*frame.at(*pair)) for pair in pairs)

    parts, band = [], ""
    for name, found in drawn.items():
        tag, upper = find_tag(name), [(bucket.step, bucket.high) for bucket in found]
        spread = path([*upper, *((bucket.step, bucket.low) for bucket in reversed(found))])
        mean = path((bucket.step, bucket.mean) for bucket in found)
        dot = frame.at(found[0].step, found[0].mean) if len(found) == 1 else None
        latest = found[-1].mean
        parts.append({"name": name, "tag": tag, "spread": spread, "mean": mean, "dot": dot, "latest": latest})
        top = high if tag.high is None else min(high, tag.high)
        bottom = low if tag.low is None else max(low, tag.low)
        if len(lines) == 1 and tag.healthy and top > bottom:
            band = path([(first, top), (last, top), (last, bottom), (first, bottom)])
    data = {
        name: [[round(bucket.step), bucket.mean, round(frame.at(bucket.step, low)[0], 1)] for bucket in found]
        for name, found in drawn.items()
    }
    scale = {"frame": frame, "first": first, "last": last, "heights": (low, (low + high) / 2, high)}
    return {"title": title, "lines": parts, "band": band, "data": data, **scale}
