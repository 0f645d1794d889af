"""What the game actors did since the last row, and the memory of every process; one that keeps growing is named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agent.memory import resident_bytes
from selfplay.actor import GameBatch

SHOWN: Final = 16
"""Actors with curves of their own; a cluster's others are in the sums and in the slowest."""
SETTLED: Final = 30
"""Readings of a process before its memory counts as settled."""
WORTH_A_WARNING: Final = 1.5
"""Times its settled memory."""
_MB: Final = 2**20
_TRAINER: Final = -1


@dataclass
class _Actor:
    """One place in the pool; actors that replaced each other share it."""

    streams: set[int] = field(default_factory=set)
    plies: int = 0
    busy: float = 0.0
    away: float = 0.0
    lag: int = 0


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
                }
            actor.plies, actor.busy, actor.away = 0, 0.0, 0.0
        if rates:
            row["system/slowest_actor"] = min(rates) / max(sum(rates) / len(rates), 1e-9)
        return row


class MemoryWatch:
    """Memory of the trainer and of every game actor.

    Args:
        say: gets a warning, once a process.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._now: dict[int, int] = {}  # by stream of the actor, the one that reported last comes last
        self._readings: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._warned: set[int] = set()

    def note(self, batch: GameBatch) -> None:
        """Take in what an actor reported."""
        self._note(batch.stream, batch.resident)

    def row(self, actors: int) -> dict[str, float]:
        """Values by tag, of the trainer and of the `actors` that reported last; empty where the system gives none."""
        own = resident_bytes()
        if not own:
            return {}
        self._note(_TRAINER, own)
        for stream in list(self._now)[: -(actors + 1)]:  # of dead actors
            for table in (self._now, self._readings, self._settled):
                table.pop(stream, None)
        row = {"system/memory_trainer": own / _MB}
        others = [memory for stream, memory in self._now.items() if stream != _TRAINER]
        if others:
            row["system/memory_actor"] = max(others) / _MB
        if self._settled:
            row["system/memory_growth"] = max(self._now[stream] / base for stream, base in self._settled.items())
        return row

    def _note(self, stream: int, memory: int) -> None:
        if not memory:
            return
        self._now.pop(stream, None)
        self._now[stream] = memory
        self._readings[stream] = self._readings.get(stream, 0) + 1
        if self._readings[stream] == SETTLED:
            self._settled[stream] = memory
        base = self._settled.get(stream)
        if base and memory > WORTH_A_WARNING * base and stream not in self._warned:
            self._warned.add(stream)
            process = "the trainer" if stream == _TRAINER else f"the game actor of stream {stream}"
            self._say(f"warning: {process} grew from {base / _MB:.0f} to {memory / _MB:.0f} MB")
