"""How far a run is: reported to a screen, or relayed from the trainer's process to the screen of the driver's. A run
reports to a `Screen`: the `Display` of its own process, or a `Relay`, which records what it gets. The driver fetches
that and shows it on its own display. `Relay.updates` waits, so nothing polls."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from training.loop import TrainingLoop

TRAINING = "training"  # title of the progress of a training loop


@dataclass(frozen=True)
class Progress:
    """How far a part of a run is: the training, or a match."""

    title: str  # of the part; another title is another part
    done: float  # share of it that is done, 0..1
    note: str  # figures for people
    saved_step: int = -1  # of the newest checkpoint; -1: none yet, or not known

    @classmethod
    def of(cls, loop: "TrainingLoop", saved_step: int, recent: Mapping[str, float]) -> "Progress":
        """Of a training loop; `recent` is the last row of its log."""
        counters = loop.counters
        parts = [f"{100 * loop.progress:3.0f} %", f"{counters.games:,} games", f"{counters.positions:,} positions"]
        parts.append(f"step {loop.learner.step:,}")
        if (loss := recent.get("loss/value")) is not None:
            parts.append(f"value loss {loss:.3f}")
        if (speed := recent.get("selfplay/positions_per_second")) is not None:
            parts.append(f"{speed:,.0f} positions/s")
        parts.append(f"invalid mass {counters.mass.largest}")
        return cls(TRAINING, loop.progress, "  ".join(parts), saved_step)


class Line(NamedTuple):
    """One line for people."""

    text: str
    error: bool


class Screen:
    """Where a run reports to."""

    def say(self, text: str, *, error: bool = False) -> None:
        """One line."""
        raise NotImplementedError

    def tick(self, progress: Progress | None) -> None:
        """Show how far the run is; None: the part under way has ended."""
        raise NotImplementedError

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Around a part of `total` items; the function that it yields advances it."""
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            self.tick(Progress(title, done / max(total, 1), f"{done}/{total}"))

        advance(0)
        try:
            yield advance
        finally:
            self.tick(None)


class Relay(Screen):
    """Records what it gets. One thread writes, another reads."""

    def __init__(self) -> None:
        self._updates: list[Line | Progress | None] = []
        self._said = False
        self._changed = threading.Condition()

    def say(self, text: str, *, error: bool = False) -> None:
        """See `Screen`."""
        with self._changed:
            self._updates.append(Line(text, error))
            self._said = True
            self._changed.notify()

    def tick(self, progress: Progress | None) -> None:
        """See `Screen`; only the newest progress of a part is kept, and it can wait until the reader's timeout."""
        with self._changed:
            last = self._updates[-1] if self._updates else None
            if isinstance(last, Progress) and progress is not None and last.title == progress.title:
                self._updates.pop()
            self._updates.append(progress)

    def updates(self, seconds: float) -> list[Line | Progress | None]:
        """What was recorded since the last call, in order; waits up to `seconds` for a line."""
        with self._changed:
            self._changed.wait_for(lambda: self._said, timeout=seconds)
            updates, self._updates, self._said = self._updates, [], False
            return updates


def show(updates: list[Line | Progress | None], screen: Screen) -> None:
    """Show the updates of a relay."""
    for update in updates:
        if isinstance(update, Line):
            screen.say(update.text, error=update.error)
        else:
            screen.tick(update)
