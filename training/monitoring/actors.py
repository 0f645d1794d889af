"""What the game actors did since the last row, and the memory of every process; one that keeps growing is named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agent.memory import resident_bytes
from selfplay.actor import GameBatch

SETTLED: Final = 30  # readings of a process before its memory counts as settled
WORTH_A_WARNING: Final = 1.5  # times its settled memory
_MB: Final = 2**20


@dataclass
class Memory:
    """Of one process, in bytes."""

    now: int = 0
    settled: int = 0  # 0: not yet
    readings: int = 0
    warned: bool = False


@dataclass
class _Actor:
    """One place in the pool; actors that replaced each other share it."""

    stream: int
    plies: int = 0
    memory: Memory = field(default_factory=Memory)


class ActorTally:
    """How many plies each actor has played since the last row; `say` gets a warning about a process whose memory grows,
    once a process."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._trainer = say, Memory()
        self._actors: dict[int, _Actor] = {}

    def add(self, batch: GameBatch) -> None:
        """Count one batch that arrived."""
        actor = self._actors.setdefault(batch.place, _Actor(batch.stream))
        if batch.stream != actor.stream:
            actor.stream, actor.memory = batch.stream, Memory()
        actor.plies += batch.statistics.plies
        self._read(actor.memory, batch.resident, f"the game actor of stream {batch.stream}")

    def memory_row(self) -> dict[str, float]:
        """Memory by tag; empty where the system gives none."""
        self._read(self._trainer, resident_bytes(), "the trainer")
        actors = [actor.memory for actor in self._actors.values() if actor.memory.now]
        row = {"system/memory_trainer": self._trainer.now / _MB} if self._trainer.now else {}
        if actors:
            row["system/memory_actor"] = max(memory.now for memory in actors) / _MB
        growth = [memory.now / memory.settled for memory in (self._trainer, *actors) if memory.settled]
        return row | ({"system/memory_growth": max(growth)} if growth else {})

    def row(self) -> dict[str, float]:
        """The slowest actor since the last row, and a new start; empty before the first batch."""
        plies = [actor.plies for actor in self._actors.values()]
        for actor in self._actors.values():
            actor.plies = 0
        return {"system/slowest_actor": min(plies) / max(sum(plies) / len(plies), 1)} if plies else {}

    def _read(self, memory: Memory, occupied: int, process: str) -> None:
        """Take a reading, 0 where the system gives none."""
        if not occupied:
            return
        memory.now, memory.readings = occupied, memory.readings + 1
        if memory.readings == SETTLED:
            memory.settled = occupied
        if not memory.warned and 0 < WORTH_A_WARNING * memory.settled < occupied:
            memory.warned = True
            self._say(f"warning: {process} grew from {memory.settled / _MB:.0f} to {memory.now / _MB:.0f} MB")
