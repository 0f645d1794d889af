"""What a run has done so far, in numbers."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from agent.networks.meter import MassReading


@dataclass
class Counters:
    """Totals of the run, resumes included."""

    games: int = 0
    positions: int = 0
    """Plies of finished games."""
    seconds: float = 0.0
    """Spent training."""
    version: int = 0
    """Times the weights were published."""
    streams: int = 0
    """Generator streams handed out: no stream is ever used twice."""
    mass: MassReading = field(default_factory=MassReading)
    """Every distribution sampled or trained."""

    def state(self) -> dict[str, Any]:
        """For a checkpoint; `restored` reads it back."""
        counters = asdict(self)
        return {"mass": counters.pop("mass"), "counters": counters}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Self:
        """The counters of a checkpoint that holds their `state`."""
        return cls(**state["counters"], mass=MassReading(**state["mass"]))
