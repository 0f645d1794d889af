"""The cost of monitoring is measured and bounded; actors and memory are counted."""

from pathlib import Path

import numpy as np
import pytest

from agent import memory
from selfplay.actor import GameBatch
from selfplay.generator import GeneratorStatistics
from tests.training.monitoring.short_run import events_of, short_run
from tests.training.runs import log_of
from training.durability.run_folder import RunFolder
from training.loop import Stopwatch
from training.monitoring import actors
from training.monitoring import watch as watching
from training.monitoring.actors import ActorTally
from training.monitoring.watch import WINDOW, Rates


def test_rates_are_over_a_sliding_window() -> None:
    clock = [100.0]
    rates = Rates(lambda: clock[0])
    clock[0] += 2
    rates.add(plies=10, games=1)
    assert rates.per_second("plies") == pytest.approx(5)
    clock[0] += WINDOW - 2
    rates.add(plies=20)
    assert rates.per_second("plies") == pytest.approx(30 / WINDOW)
    clock[0] += 3  # the first ones are out of the window by now
    assert rates.per_second("plies") == pytest.approx(20 / WINDOW)
    assert rates.per_second("games") == rates.per_second("steps") == 0


def test_a_stopwatch_adds_up_what_was_spent_since_the_last_row() -> None:
    stopwatch = Stopwatch()
    with stopwatch.spending("saving"):
        pass
    with pytest.raises(OSError, match="full"), stopwatch.spending("writing"):
        raise OSError("full")
    row = stopwatch.row(("saving", "writing", "learning"))
    assert min(row["time/saving"], row["time/writing"]) > row["time/learning"] == 0
    assert stopwatch.row(("saving",)) == {"time/saving": 0.0}
    assert stopwatch.total["saving"] > 0


def test_pictures_wait_while_monitoring_is_expensive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set at the end, and with no bound on the cost one whenever rows are written."""
    assert pictures(short_run(tmp_path / "a", 8, "log.pictures_minutes=0")) == [8]
    monkeypatch.setattr(watching, "FIRST_SECONDS", 0.0)
    assert pictures(short_run(tmp_path / "b", 8, "log.pictures_minutes=0")) == [2]
    monkeypatch.setattr(watching, "BUDGET", 2.0)
    assert pictures(short_run(tmp_path / "c", 8, "log.pictures_minutes=0")) == [2, 4, 6, 8]
    assert pictures(short_run(tmp_path / "d", 8)) == [2, 8]


def pictures(folder: RunFolder) -> list[int]:
    return [event.step for event in events_of(folder).Images("games/openings")]


def test_details_come_when_they_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = log_of(short_run(tmp_path / "a", 8).path)
    assert ["leak/kernel_max" in row for row in rows] == [True, False, False, False]
    monkeypatch.setattr(watching, "DETAIL_SECONDS", 0.0)
    assert all("leak/kernel_max" in row for row in log_of(short_run(tmp_path / "b", 8).path))


def test_the_slowest_actor_is_told_apart() -> None:
    tally = ActorTally(print)
    assert tally.row() == {}
    for place, plies in ((0, 10), (0, 30), (1, 10), (1, 10)):
        tally.add(GameBatch(place, 0, statistics=GeneratorStatistics(plies=plies), place=place))
    assert tally.row()["system/slowest_actor"] == pytest.approx(20 / 30)
    tally.add(GameBatch(0, 0, statistics=GeneratorStatistics(plies=7), place=0))
    assert tally.row()["system/slowest_actor"] == 0


def test_a_growing_process_is_named_once_and_the_dead_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    before, ballast = memory.resident_bytes(), np.ones(8 * 2**20)
    assert memory.resident_bytes() - before > 0.9 * ballast.nbytes  # read from the system
    monkeypatch.setattr(actors, "resident_bytes", lambda: 100 * 2**20)
    said: list[str] = []
    tally = ActorTally(said.append)

    def note(place: int, stream: int, megabytes: int) -> None:
        tally.add(GameBatch(stream, 0, place=place, resident=megabytes * 2**20))

    for _ in range(actors.SETTLED):
        note(0, 0, 50)
        note(1, 1, 60)
    sizes = {"system/memory_trainer": 100.0, "system/memory_actor": 60.0}
    assert tally.memory_row() == {**sizes, "system/memory_growth": 1.0}
    for megabytes in (70, 80, 90, 91):
        note(1, 1, megabytes)
    assert said == ["warning: the game actor of stream 1 grew from 60 to 91 MB"]
    note(1, 1, 120)
    assert (len(said), tally.memory_row()["system/memory_growth"]) == (1, 2.0)
    note(1, 2, 55)  # in the place of stream 1
    assert tally.memory_row() == {**sizes, "system/memory_actor": 55.0, "system/memory_growth": 1.0}
