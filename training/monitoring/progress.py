"""How far a run is, in a few numbers that are cheap to send and to show."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.loop import TrainingLoop


@dataclass(frozen=True)
class Progress:
    """Where a run is."""

    done: float
    """Share of the training that is done, 0..1."""
    games: int
    positions: int
    step: int
    saved_step: int
    """Of the newest checkpoint; -1: none yet."""
    largest_invalid_mass: float
    value_loss: float | None = None
    """Of the last row of the log; None before the first."""
    positions_per_second: float | None = None

    @classmethod
    def of(cls, loop: "TrainingLoop") -> "Progress":
        """Of a training loop."""
        counters, recent = loop.counters, loop.recent
        return cls(
            done=loop.progress,
            games=counters.games,
            positions=counters.positions,
            step=loop.learner.step,
            saved_step=loop.saved_step,
            largest_invalid_mass=counters.mass.largest,
            value_loss=recent.get("loss/value"),
            positions_per_second=recent.get("selfplay/positions_per_second"),
        )

    def note(self) -> str:
        """For people, on one line."""
        parts = [f"{self.games:,} games", f"{self.positions:,} positions", f"step {self.step:,}"]
        if self.value_loss is not None:
            parts.append(f"value loss {self.value_loss:.3f}")
        if self.positions_per_second is not None:
            parts.append(f"{self.positions_per_second:,.0f} positions/s")
        parts.append(f"invalid mass {self.largest_invalid_mass}")
        return "  ".join(parts)
