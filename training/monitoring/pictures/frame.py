"""What the pictures of a run share: one size, a title, a frame with axes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent import drawing

SIZE: Final = (1240, 560)  # width and height of every picture, in pixels
GRID: Final = "#d0d7de"


def picture(title: str, parts: Iterable[str], subtitle: str = "") -> str:
    """A whole SVG of `SIZE` with its title."""
    head = drawing.text(40, 28, title, 17, bold=True) + drawing.text(40, 48, subtitle, 13)
    return drawing.document(*SIZE, head + "".join(parts))


@dataclass(frozen=True)
class Frame:
    """A rectangle in which values are drawn to scale."""

    x: tuple[float, float]  # values at its left and right edge
    y: tuple[float, float]  # values at its lower and upper edge
    left: float = 70
    top: float = 62
    width: float = 980
    height: float = 434

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a pair of values."""
        return (
            self.left + self.width * (x - self.x[0]) / (self.x[1] - self.x[0]),
            self.top + self.height * (self.y[1] - y) / (self.y[1] - self.y[0]),
        )

    def axes(self, x_marks: Mapping[float, str], y_marks: Mapping[float, str], label: str = "") -> str:
        """The panel with a word below or beside each marked value, and `label` under the horizontal axis."""
        below = self.top + self.height
        parts = [drawing.rectangle(self.left, self.top, self.width, self.height, drawing.PANEL)]
        for x, words in x_marks.items():
            parts.append(drawing.text(self.at(x, 0)[0], below + 18, words, 12, anchor="middle", fill=drawing.PALE))
        for y, words in y_marks.items():
            height = self.at(0, y)[1]
            parts.append(drawing.line(self.left, height, self.left + self.width, height, GRID))
            parts.append(drawing.text(self.left - 8, height + 4, words, 12, anchor="end", fill=drawing.PALE))
        parts.append(drawing.text(self.left + self.width / 2, below + 40, label, 13, anchor="middle"))
        return "".join(parts)

    def line(self, points: Sequence[tuple[float, float]], colour: str = drawing.BLUE, *, dots: bool = True) -> str:
        """A line through pairs of values."""
        places = [self.at(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        circles = (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places if dots)
        return drawn + "".join(circles)

    def interval(self, x: float, low: float, high: float, colour: str = drawing.BLUE) -> str:
        """A vertical bar, kept within the frame."""
        low, high = max(low, self.y[0]), min(high, self.y[1])
        return drawing.line(*self.at(x, low), *self.at(x, high), colour, 'stroke-opacity="0.5" stroke-width="2"')

    def bar(self, x: tuple[float, float], height: float, colour: str) -> str:
        """A bar from the lower edge, as high as this share of the frame."""
        left, right = self.at(x[0], 0)[0], self.at(x[1], 0)[0]
        tall = self.height * height
        return drawing.rectangle(left + 1.5, self.top + self.height - tall, right - left - 3, tall, colour)
