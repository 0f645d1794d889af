"""What is known of a logged tag: the one description that the glossary, TensorBoard, `status` and `report` show."""

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["scalar", "picture", "text", "histogram"]
Unit = Literal["", "share", "nats", "1/s", "s", "plies", "versions", "MiB", "Elo", "points", "distributions"]


@dataclass(frozen=True)
class Tag:
    """One tag, or a family of them: `*` in its name stands for a number or a name."""

    name: str
    """`group/what`."""
    meaning: str
    """One sentence."""
    unit: Unit = ""
    """`share` is 0..1 and shown as per cent; empty: a plain number."""
    low: float | None = None
    """Least healthy value; None: any."""
    high: float | None = None
    """Largest healthy value; None: any."""
    sickness: str = ""
    """What a value outside that range most likely means, in two or three words."""
    advice: str = ""
    """What to do then."""
    kind: Kind = "scalar"

    @property
    def group(self) -> str:
        """The part of the name before the first slash."""
        return self.name.split("/")[0]

    @property
    def has_range(self) -> bool:
        """Whether there is a healthy range."""
        return self.low is not None or self.high is not None

    @property
    def healthy(self) -> str:
        """The healthy range in words; empty if any value is."""
        if self.low is not None and self.low == self.high:
            return f"exactly {self.show(self.low)}"
        if self.low is not None and self.high is not None:
            return f"{self.show(self.low)} to {self.show(self.high)}"
        if self.low is not None:
            return f"{self.show(self.low)} or more"
        return f"{self.show(self.high)} or less" if self.high is not None else ""

    def fits(self, value: float) -> bool:
        """Whether `value` is healthy; a value that is no number never is."""
        if math.isnan(value):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def show(self, value: float) -> str:
        """`value` with its unit, for people."""
        if self.unit == "share":
            return f"{number(100 * value)} %"
        return f"{number(value)} {self.unit}".rstrip()

    @property
    def description(self) -> str:
        """Markdown of one paragraph: what TensorBoard shows beside the chart."""
        parts = [self.meaning[:1].upper() + self.meaning[1:].rstrip(".") + "."]
        if self.unit:
            parts.append(f"Unit: {self.unit}.")
        if self.has_range:
            parts.append(f"Healthy: {self.healthy}.")
        if self.advice:
            parts.append(f"Else ({self.sickness}): {self.advice}.")
        return " ".join(parts)


def number(value: float) -> str:
    """Three or so figures that people can read."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2e}" if abs(value) < 1e-3 else f"{value:.3g}"
