"""Progress of a run is relayed from the process that trains to the one that shows it."""

import threading
from collections.abc import Callable

from training.durability.progress_relay import TRAINING, Line, Progress, Relay, Screen, show


def progress(step: int) -> Progress:
    return Progress(TRAINING, 0.5, f"step {step}", saved_step=0)


class Recorder(Screen):
    """A screen that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def say(self, text: str, *, error: bool = False) -> None:
        self.calls.append(f"{'error: ' if error else ''}{text}")

    def tick(self, progress: Progress | None) -> None:
        self.calls.append(f"{progress.title} {progress.note}" if progress else "end")


def script(screen: Screen, pause: Callable[[], None]) -> None:
    screen.say("hello")
    with screen.counting("a match", 4) as advance:
        pause()
        advance(1)
        pause()
        advance(3)
    screen.tick(progress(1))
    pause()
    screen.tick(None)
    screen.say("bad", error=True)
    pause()


def test_the_driver_shows_what_the_run_would_have_shown_itself() -> None:
    direct, shown, relay = Recorder(), Recorder(), Relay()
    script(direct, lambda: None)
    script(relay, lambda: show(relay.updates(0.0), shown))
    assert shown.calls == direct.calls
    assert shown.calls[:4] == ["hello", "a match 0/4", "a match 1/4", "a match 4/4"]


def test_only_the_newest_progress_of_a_part_is_relayed_and_only_once() -> None:
    relay = Relay()
    for step in range(5):
        relay.tick(progress(step))
    relay.say("saved")
    relay.tick(progress(5))
    with relay.counting("a match", 2) as advance:
        advance(2)
    assert relay.updates(0.0) == [progress(4), Line("saved", False), progress(5), Progress("a match", 1.0, "2/2"), None]
    assert relay.updates(0.0) == []


def test_updates_wait_for_a_line_and_no_longer_than_asked() -> None:
    relay = Relay()
    relay.tick(progress(1))
    assert relay.updates(0.01) == [progress(1)]
    timer = threading.Timer(0.2, lambda: relay.say("late"))
    timer.start()
    assert relay.updates(1e6) == [Line("late", False)]  # the suite's own time limit ends this
    timer.join()
