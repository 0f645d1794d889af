"""Progress of a run is relayed from the process that trains to the one that shows it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from training.durability.progress_relay import Mirror, Progress, Relay


def progress(step: int) -> Progress:
    return Progress(done=0.5, games=3, positions=40, step=step, saved_step=0, largest_invalid_mass=0.0)


class Recorder:
    """A screen that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def say(self, text: str, *, error: bool = False) -> None:
        self.calls.append(f"{'error: ' if error else ''}{text}")

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        self.calls.append(f"begin {title} of {total}")
        yield lambda done: self.calls.append(f"+{done}")
        self.calls.append(f"end {title}")

    @contextmanager
    def training(self) -> Iterator[None]:
        self.calls.append("begin training")
        yield
        self.calls.append("end training")

    def tick(self, progress: Progress) -> None:
        self.calls.append(f"step {progress.step}")


def script(screen: Recorder | Relay, pause: Callable[[], None]) -> None:
    screen.say("hello")
    with screen.counting("a match", 4) as advance:
        advance(1)
        pause()
        advance(3)
    with screen.training():
        screen.tick(progress(1))
        pause()
    screen.say("bad", error=True)
    pause()


def test_a_mirror_shows_what_the_run_would_have_shown_itself() -> None:
    direct, shown, relay = Recorder(), Recorder(), Relay()
    script(direct, lambda: None)
    mirror = Mirror(shown)
    script(relay, lambda: mirror.show(relay.updates(0.0)))
    assert shown.calls == direct.calls


def test_only_the_newest_progress_is_told_and_only_once() -> None:
    relay = Relay()
    for step in range(5):
        relay.tick(progress(step))
    assert relay.updates(0.0).progress == progress(4)
    assert relay.updates(0.0).progress is None


def test_updates_wait_for_an_event_and_no_longer_than_asked() -> None:
    relay = Relay()
    assert relay.updates(0.01).events == ()
    timer = threading.Timer(0.2, lambda: relay.say("late"))
    timer.start()
    started = time.monotonic()
    assert len(relay.updates(600).events) == 1
    assert time.monotonic() - started < 600
    timer.join()


def test_a_bar_left_open_by_a_trainer_that_died_is_closed() -> None:
    shown, relay = Recorder(), Relay()
    mirror = Mirror(shown)
    relay.training().__enter__()
    mirror.show(relay.updates(0.0))
    mirror.close()
    mirror.close()
    assert shown.calls == ["begin training", "end training"]
