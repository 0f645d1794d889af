"""What the trainer does with what arrives: games taken into the replay and onto the disk, calls of actors answered."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, cast

import ray

from benchmarks.selfplay_flow import targets_by
from selfplay.record import GameRecord
from training.durability.window import SYNC_GAMES, Window
from training.loop import make_replay
from training.settings import Settings


class Ingest(NamedTuple):
    """What was measured."""

    positions_per_second: float
    """Made into targets, put into the replay, written and synced, by one thread."""
    bytes_per_position: float
    """On disk."""


def ingest(records: Sequence[GameRecord], settings: Settings) -> Ingest:
    """Take each of the games in once, as the training loop does."""
    with tempfile.TemporaryDirectory() as folder:
        window = Window(make_replay(settings), Path(folder))
        started = perf_counter()
        for number, record in enumerate(records):
            window.add(record, targets_by(settings.learner, record), 0)
            if number % SYNC_GAMES == SYNC_GAMES - 1:
                window.sync()
        window.sync()
        taken = perf_counter() - started
        size = sum(segment.stat().st_size for segment in window.store.segments())
    positions = sum(record.plies for record in records)
    return Ingest(positions / taken, size / positions)


class _Nothing:
    def call(self) -> None:
        """As little as an actor can do."""


def calls_per_second(seconds: float, in_flight: int = 64) -> float:
    """How many empty calls of one actor its owner can make and collect; Ray must be initialised."""
    actor = cast(Any, ray.remote)(num_cpus=0)(_Nothing).remote()
    ray.get(actor.call.remote())
    waiting, done, started = [actor.call.remote() for _ in range(in_flight)], 0, perf_counter()
    while (taken := perf_counter() - started) < seconds:
        ready, waiting = ray.wait(waiting, num_returns=1)
        ray.get(ready)
        done += len(ready)
        waiting += [actor.call.remote() for _ in ready]
    ray.kill(actor)
    return done / taken
