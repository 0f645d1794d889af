"""What each actor did since the last row."""

from dataclasses import dataclass, field
from typing import Final

from selfplay.actor import GameBatch

SHOWN: Final = 16
"""Actors with curves of their own; a cluster's others are in the sums and in the slowest."""


@dataclass
class _Actor:
    """One place in the pool; actors that replaced each other share it."""

    streams: set[int] = field(default_factory=set)
    plies: int = 0
    busy: float = 0.0
    away: float = 0.0
    lag: int = 0
    memory: float = 0.0


class ActorTally:
    """Sums over the batches that arrived since the last row, actor by actor."""

    def __init__(self) -> None:
        self._actors: dict[int, _Actor] = {}

    def add(self, batch: GameBatch, version: int) -> None:
        """Count one batch that arrived while `version` was the newest."""
        actor = self._actors.setdefault(batch.place, _Actor())
        actor.streams.add(batch.stream)
        actor.plies += batch.statistics.plies
        actor.busy += batch.statistics.seconds
        actor.away += batch.away
        actor.lag = version - batch.version
        actor.memory = batch.memory

    def row(self, seconds: float) -> dict[str, float]:
        """Scalars by tag, and a new start.

        Args:
            seconds: since the last row.
        """
        row: dict[str, float] = {}
        rates = []
        for place, actor in sorted(self._actors.items()):
            rates.append(actor.plies / seconds)
            if place < SHOWN:
                row |= {
                    f"system/actor/{place}/positions_per_second": actor.plies / seconds,
                    f"system/actor/{place}/idle": actor.away / max(actor.away + actor.busy, 1e-9),
                    f"system/actor/{place}/version_lag": float(actor.lag),
                    f"system/actor/{place}/restarts": float(len(actor.streams) - 1),
                    f"system/actor/{place}/memory": actor.memory,
                }
            actor.plies, actor.busy, actor.away = 0, 0.0, 0.0
        if rates:
            row["system/slowest_actor"] = min(rates) / max(sum(rates) / len(rates), 1e-9)
        return row
