"""Rates that mean something although games arrive in bursts: over the last seconds, not since the last row."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW: Final = 15.0
"""Seconds: many calls of an actor, few checkpoints."""


class Rates:
    """Counts of things over a sliding window.

    Args:
        clock: seconds, ascending.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._counted: deque[tuple[float, dict[str, int]]] = deque()

    def add(self, **counts: int) -> None:
        """These many more of each thing."""
        self._counted.append((self._clock(), counts))

    def per_second(self, thing: str) -> float:
        """Of the window; at the beginning of the time so far."""
        now = self._clock()
        while self._counted and self._counted[0][0] < now - WINDOW:
            self._counted.popleft()
        seconds = min(WINDOW, max(now - self._started, 1e-9))
        return sum(counts.get(thing, 0) for _, counts in self._counted) / seconds
