"""What a run has to tell, written down in the trainer's process and read aloud in the driver's.

`Screen` is what a run tells it to: a `Display` in its own process, or a `Journal`, whose entries another process
fetches as `News` and a `Mirror` shows on a display there. `Journal.news` waits, so nobody polls.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from training.monitoring.progress import Progress


class Screen(Protocol):
    """Where a run tells what it does; see `training.monitoring.display.Display`."""

    def say(self, text: str, *, error: bool = False) -> None:
        """One line."""
        ...

    def counting(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A bar over `total` things; the function given adds to it."""
        ...

    def training(self) -> AbstractContextManager[None]:
        """Around the training loop; `tick` moves the bar."""
        ...

    def tick(self, progress: Progress) -> None:
        """Show where the run is."""
        ...


@dataclass(frozen=True)
class Said:
    """A line."""

    text: str
    error: bool


@dataclass(frozen=True)
class Began:
    """A bar; without a total that of the training."""

    title: str = ""
    total: int | None = None


@dataclass(frozen=True)
class Counted:
    """The bar moved on."""

    done: int


@dataclass(frozen=True)
class Ended:
    """The bar is done."""


Event = Said | Began | Counted | Ended


@dataclass(frozen=True)
class News:
    """What was written since the last news."""

    events: tuple[Event, ...]
    progress: Progress | None
    """The newest; None if it has not changed."""


class Journal:
    """A `Screen` that remembers until asked. One thread writes, another asks."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._progress: Progress | None = None
        self._changed = threading.Condition()

    def say(self, text: str, *, error: bool = False) -> None:
        """See `Screen`."""
        self._write(Said(text, error))

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """See `Screen`."""
        self._write(Began(title, total))
        try:
            yield lambda done: self._write(Counted(done))
        finally:
            self._write(Ended())

    @contextmanager
    def training(self) -> Iterator[None]:
        """See `Screen`."""
        self._write(Began())
        try:
            yield
        finally:
            self._write(Ended())

    def tick(self, progress: Progress) -> None:
        """See `Screen`."""
        with self._changed:  # nobody is woken: progress alone can wait until the reader's time is over
            self._progress = progress

    def news(self, seconds: float) -> News:
        """What was written since the last call; waits up to `seconds` for an event."""
        with self._changed:
            self._changed.wait_for(lambda: self._events, timeout=seconds)
            news = News(tuple(self._events), self._progress)
            self._events, self._progress = [], None
            return news

    def _write(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify()


class Mirror:
    """Shows news on a screen.

    Args:
        screen: of this process.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._bar = ExitStack()
        self._advance: Callable[[int], None] = lambda done: None

    def show(self, news: News) -> None:
        """Events in their order, then the progress."""
        for event in news.events:
            match event:
                case Said(text, error):
                    self._screen.say(text, error=error)
                case Began(title, total):
                    self.close()
                    if total is None:
                        self._bar.enter_context(self._screen.training())
                    else:
                        self._advance = self._bar.enter_context(self._screen.counting(title, total))
                case Counted(done):
                    self._advance(done)
                case Ended():
                    self.close()
        if news.progress is not None:
            self._screen.tick(news.progress)

    def say(self, text: str) -> None:
        """A line of this process."""
        self._screen.say(text)

    def close(self) -> None:
        """End the bar that is shown, if any."""
        self._bar.close()
        self._advance = lambda done: None
