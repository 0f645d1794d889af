"""Where a process's time goes."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by what they were spent on; parts do not nest."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        """Seconds by part since the start."""
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
        now = time.perf_counter()
        elapsed = max(now - self._taken, 1e-9)
        self._taken = now
        recent, self._recent = self._recent, Counter()
        return {f"time/{part}": min(recent[part] / elapsed, 1.0) for part in parts}
