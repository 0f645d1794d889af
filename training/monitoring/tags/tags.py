"""What is known of every tag, from tags.yaml, and what a value outside its healthy range means."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import yaml

from agent.program import program

Kind = Literal["scalar", "picture", "text", "histogram"]
Unit = Literal["", "share", "nats", "1/s", "s", "plies", "versions", "MiB", "Elo", "points", "distributions"]


class Cause(NamedTuple):
    """What a value outside its healthy range most likely means."""

    name: str  # in two or three words
    advice: str  # what to change

    @property
    def suggestion(self) -> str:
        """The advice with its command as it works here."""
        return self.advice.replace("`zeromass ", f"`{program()} ")


LEAK: Final = Cause("leak", "the mask is broken; `zeromass audit` names positions and moves")
SICK_ACTORS: Final = Cause("dying actors", "read why they died: `ray logs`, memory, the machine they were on")
COLLAPSE: Final = Cause(
    "collapse",
    "raise selfplay.opening_plies, selfplay.temperature or learner.entropy_bonus; resume from a checkpoint before the "
    "fall",
)
PLATEAU: Final = Cause("material plateau", "lower learner.value_lambda or learner.adjudication")
CUT_OFF: Final = Cause("games cut off", "raise selfplay.ply_cap")
BLIND: Final = Cause("blind value", "lower learner.reuse or learner.learning_rate, or raise learner.value_weight")
UNSTABLE: Final = Cause("unstable learning", "lower learner.learning_rate or learner.reuse")
STALE: Final = Cause("stale actors", "raise learner.publish_steps or lower selfplay.plies_per_call")
STARVED: Final = Cause("starved learner", "raise selfplay.actors or lower selfplay.simulations")
OVERHEAD: Final = Cause("costly monitoring", "raise log.steps and log.pictures_minutes")
CAUSES: Final = (LEAK, SICK_ACTORS, COLLAPSE, PLATEAU, CUT_OFF, BLIND, UNSTABLE, STALE, STARVED, OVERHEAD)
"""The most urgent first: what ruins a run before what slows it."""


@dataclass(frozen=True)
class Tag:
    """One tag, or a family of them: `*` in its name stands for a number or a name."""

    name: str  # `group/what`
    meaning: str  # one sentence
    unit: Unit = ""  # `share` is 0..1 and shown as per cent; empty: a plain number
    low: float | None = None  # least healthy value; None: any
    high: float | None = None  # largest healthy value; None: any
    cause: Cause | None = None  # what a value outside that range means
    limit: Literal["", "low", "high"] = ""  # which end of the range a threshold of the guard's settings gives
    kind: Kind = "scalar"

    @property
    def group(self) -> str:
        """The part of the name before the first slash."""
        return self.name.split("/")[0]

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

    @property
    def description(self) -> str:
        """Markdown of one paragraph: what TensorBoard shows beside the chart."""
        parts = [self.meaning[:1].upper() + self.meaning[1:].rstrip(".") + "."]
        if self.unit:
            parts.append(f"Unit: {self.unit}.")
        if self.healthy:
            parts.append(f"Healthy: {self.healthy}.")
        if self.cause:
            parts.append(f"Otherwise ({self.cause.name}): {self.cause.suggestion}.")
        return " ".join(parts)

    def limited(self, threshold: float) -> "Tag":
        """The same with a threshold of the guard's settings as one end of its range."""
        return replace(self, **{self.limit: threshold})  # type: ignore[arg-type]

    def fits(self, value: float) -> bool:
        """Whether `value` is healthy; NaN never is."""
        within = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return within and not math.isnan(value)

    def show(self, value: float) -> str:
        """`value` with its unit, for people."""
        return f"{number(100 * value)} %" if self.unit == "share" else f"{number(value)} {self.unit}".rstrip()


def number(value: float) -> str:
    """A number with about three significant digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2e}" if abs(value) < 1e-3 else f"{value:.3g}"


def _documented() -> Iterator[Tag]:
    """Those of tags.yaml, and an alarm of the guard for each figure that it judges."""
    causes, judged = {cause.name: cause for cause in CAUSES}, list[str]()
    for name, fields in yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text()).items():
        tag = Tag(name, **{**fields, "cause": causes[fields["cause"]] if "cause" in fields else None})
        yield tag
        judged += [name] if tag.limit else []
    for name in judged:
        yield Tag(name.replace("guard/", "guard/alarm/"), f"1 while the alarm about {name} is on")


TAGS: Final = {tag.name: tag for tag in _documented()}  # every tag; nothing else is logged
WATCHES: Final = {name.removeprefix("guard/"): tag for name, tag in TAGS.items() if tag.limit}
"""What the guard judges; `GuardSettings` has a threshold of the same name for each."""
_FAMILIES: Final = [(re.compile(name.replace("*", ".+")), tag) for name, tag in TAGS.items() if "*" in name]


def find_tag(name: str) -> Tag:
    """The documentation of tag `name`, itself or as one of a family; a KeyError where there is none."""
    tag = TAGS.get(name) or next((family for pattern, family in _FAMILIES if pattern.fullmatch(name)), None)
    if tag is None:
        raise KeyError(f"tag {name!r} is not documented in training/monitoring/tags/tags.yaml")
    return tag
