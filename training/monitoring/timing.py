"""Where a process's time goes, and rates per second."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

WINDOW: Final = 15.0  # seconds of a rate: many calls of an actor, few checkpoints


class Stopwatch:
    """Adds up seconds by what they were spent on; parts do not nest."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()  # seconds by part since the start
        self._recent: Counter[str] = Counter()
        self._taken = time.perf_counter()

    @contextmanager
    def spending(self, part: str) -> Iterator[None]:
        """Count a block's time as spent on `part`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.total[part] += seconds  # type: ignore[assignment]
            self._recent[part] += seconds  # type: ignore[assignment]

    def row(self, parts: Iterable[str]) -> dict[str, float]:
        """Shares of the time since the last row, by tag."""
        before, self._taken = self._taken, time.perf_counter()
        elapsed = max(self._taken - before, 1e-9)
        recent, self._recent = self._recent, Counter()
        return {f"time/{part}": min(recent[part] / elapsed, 1.0) for part in parts}


class Rates:
    """Counts per second over a sliding window, because games arrive in bursts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._started = clock, clock()
        self._counted: deque[tuple[float, dict[str, int]]] = deque()

    def add(self, **counts: int) -> None:
        """These many more of each thing."""
        self._counted.append((self._clock(), counts))

    def per_second(self, thing: str) -> float:
        """Over the window, or over the time so far if that is shorter."""
        now = self._clock()
        while self._counted and self._counted[0][0] < now - WINDOW:
            self._counted.popleft()
        seconds = min(WINDOW, max(now - self._started, 1e-9))
        return sum(counts.get(thing, 0) for _, counts in self._counted) / seconds
