"""Memory of the trainer and of every game actor, row by row; a process that keeps growing is named."""

from collections.abc import Callable
from typing import Final

from agent.memory import resident_bytes
from selfplay.actor import GameBatch

SETTLED: Final = 30
"""Readings of a process before its memory counts as settled."""
WORTH_A_WARNING: Final = 1.5
"""Times its settled memory."""
_MB: Final = 2**20
_TRAINER: Final = -1


class MemoryWatch:
    """Takes readings and makes rows.

    Args:
        say: gets a warning, once a process.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._now: dict[int, int] = {}  # by stream of the actor, in the order they were heard of
        self._readings: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._warned: set[int] = set()

    def note(self, batch: GameBatch) -> None:
        """Take in what an actor reported."""
        self._note(batch.stream, batch.resident)

    def row(self, actors: int) -> dict[str, float]:
        """Values by tag, of the trainer and of the `actors` heard of last; empty where the system does not tell."""
        own = resident_bytes()
        if not own:
            return {}
        self._note(_TRAINER, own)
        for stream in list(self._now)[: -(actors + 1)]:  # of the dead
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
        self._now[stream] = memory  # the last one heard of stands last
        self._readings[stream] = self._readings.get(stream, 0) + 1
        if self._readings[stream] == SETTLED:
            self._settled[stream] = memory
        base = self._settled.get(stream)
        if base and memory > WORTH_A_WARNING * base and stream not in self._warned:
            self._warned.add(stream)
            who = "the trainer" if stream == _TRAINER else f"the game actor of stream {stream}"
            self._say(f"warning: {who} grew from {base / _MB:.0f} to {memory / _MB:.0f} MB")
