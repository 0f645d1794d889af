"""Relays a run's progress from the trainer's process to the driver's.

A run reports to a `Screen`: a `Display` in its own process, or a `Relay`, which records the calls. The driver
fetches that as `Updates`, and a `Mirror` shows it on the driver's screen. `Relay.updates` waits, so nothing polls.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from training.loop import TrainingLoop


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

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
    def of(cls, loop: "TrainingLoop", saved_step: int, recent: Mapping[str, float]) -> "Progress":
        """Of a training loop; `recent` is the last row of its log."""
        return cls(
            done=loop.progress,
            games=loop.counters.games,
            positions=loop.counters.positions,
            step=loop.learner.step,
            saved_step=saved_step,
            largest_invalid_mass=loop.counters.mass.largest,
            value_loss=recent.get("loss/value"),
            positions_per_second=recent.get("selfplay/positions_per_second"),
        )

    def note(self) -> str:
        """One line for the display."""
        parts = [f"{self.games:,} games", f"{self.positions:,} positions", f"step {self.step:,}"]
        if self.value_loss is not None:
            parts.append(f"value loss {self.value_loss:.3f}")
        if self.positions_per_second is not None:
            parts.append(f"{self.positions_per_second:,.0f} positions/s")
        return "  ".join([*parts, f"invalid mass {self.largest_invalid_mass}"])


class Screen(Protocol):
    """Where a run reports to; see `training.monitoring.display.Display`."""

    def say(self, text: str, *, error: bool = False) -> None:
        """One line."""
        ...

    def counting(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A bar over `total` items; the function that it yields advances it."""
        ...

    def training(self) -> AbstractContextManager[None]:
        """Around the training loop; `tick` moves the bar."""
        ...

    def tick(self, progress: Progress) -> None:
        """Show how far the run is."""
        ...


@dataclass(frozen=True)
class Event:
    """One call of a screen: a line, the start of a bar, its advance, or its end."""

    kind: Literal["say", "error", "bar", "advance", "end"]
    text: str = ""
    count: int | None = None
    """Total of a bar, None for that of the training; or by how much it advanced."""


@dataclass(frozen=True)
class Updates:
    """What was recorded since the last call of `Relay.updates`."""

    events: tuple[Event, ...]
    progress: Progress | None
    """The newest; None if it has not changed."""


class Relay:
    """A `Screen` that records. One thread writes, another reads."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._progress: Progress | None = None
        self._changed = threading.Condition()

    def say(self, text: str, *, error: bool = False) -> None:
        """See `Screen`."""
        self._record(Event("error" if error else "say", text))

    @contextmanager
    def counting(self, title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """See `Screen`."""
        self._record(Event("bar", title, total))
        try:
            yield lambda done: self._record(Event("advance", count=done))
        finally:
            self._record(Event("end"))

    @contextmanager
    def training(self) -> Iterator[None]:
        """See `Screen`."""
        with self.counting("", None):
            yield

    def tick(self, progress: Progress) -> None:
        """See `Screen`."""
        with self._changed:  # without notify: progress alone can wait until the reader's timeout
            self._progress = progress

    def updates(self, seconds: float) -> Updates:
        """What was recorded since the last call; waits up to `seconds` for an event."""
        with self._changed:
            self._changed.wait_for(lambda: self._events, timeout=seconds)
            updates = Updates(tuple(self._events), self._progress)
            self._events, self._progress = [], None
            return updates

    def _record(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify()


class Mirror:
    """Shows the updates of a relay on `screen`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._bar = ExitStack()
        self._advance: Callable[[int], None] = lambda done: None

    def show(self, updates: Updates) -> None:
        """Events in their order, then the progress."""
        for event in updates.events:
            if event.kind == "bar":
                self.close()
                if event.count is None:
                    self._bar.enter_context(self._screen.training())
                else:
                    self._advance = self._bar.enter_context(self._screen.counting(event.text, event.count))
            elif event.kind == "advance":
                self._advance(event.count or 0)
            elif event.kind == "end":
                self.close()
            else:
                self._screen.say(event.text, error=event.kind == "error")
        if updates.progress is not None:
            self._screen.tick(updates.progress)

    def close(self) -> None:
        """End the bar that is shown, if any."""
        self._bar.close()
        self._advance = lambda done: None
