"""What the self-play benchmark compares: a pool of actors that is counted and timed, and plain processes without Ray.
The plain processes are the upper bound. Each has an actor's generator and keeps its games: only counts are sent."""

import multiprocessing
import pickle
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from time import perf_counter
from typing import Any, Final

import torch

from selfplay.actor import GameBatch, GamePlayer, Weights
from selfplay.pool import Pool
from selfplay.record import GameRecord
from selfplay.settings import ActorSettings
from training.settings import LearnerSettings
from training.targets import Targets, targets

PLAYING: Final = ("network, search, sampling", "meter", "rules", "Python that keeps records")
STAGES: Final = (*PLAYING, "loading weights", "sending games, waiting for calls")


class WatchedPool:
    """A pool with the figures of one turn; everything else is the pool's own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.begin()

    def begin(self) -> None:
        """Start a turn; earlier games are dropped."""
        self._pool.collect(wait=False)
        self.plies = self.games = self.versions = 0
        self.seconds = 0.0  # until the last batch
        self.last: list[GameBatch] = []
        self._stages = dict.fromkeys(STAGES, 0.0)
        self._started = perf_counter()
        self._met: set[int] = set()

    @property
    def speed(self) -> float:
        return self.plies / self.seconds

    @property
    def shares(self) -> dict[str, float]:
        total = sum(self._stages.values()) or 1.0
        return {stage: seconds / total for stage, seconds in self._stages.items()}

    @property
    def bytes_a_position(self) -> float:
        """Size of the last games as sent; 0 if none ended."""
        records = [record for batch in self.last for record in batch.records]
        size = sum(len(pickle.dumps(record, protocol=5)) for record in records)
        return size / max(sum(record.plies for record in records), 1)

    def publish(self, weights: Weights, version: int) -> None:
        self._pool.publish(weights, version)
        self.versions += 1

    def collect(self, *, wait: bool) -> list[GameBatch]:
        batches = self._pool.collect(wait=wait)
        self.seconds = perf_counter() - self._started
        self.last = [*self.last, *batches][-32:]
        for batch in batches:
            done = batch.statistics
            self.plies += done.plies
            self.games += len(batch.records)
            python = done.seconds - done.moving - done.checking - done.ruling
            seconds = [done.moving, done.checking, done.ruling, python]
            if batch.stream in self._met:  # the first time, an actor was idle during the other turns
                seconds += [batch.loading, batch.away - batch.loading]
            self._met.add(batch.stream)
            for stage, taken in zip(STAGES, seconds, strict=False):
                self._stages[stage] += taken
        return batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def targets_by(settings: LearnerSettings, record: GameRecord) -> Targets:
    """Targets of a game by a run's settings."""
    return targets(record, adjudication=settings.adjudication, value_lambda=settings.value_lambda)


_own: list[tuple[GamePlayer, Barrier]] = []  # the player of this process, and the barrier of all processes


def _start(settings: ActorSettings, streams: "SimpleQueue[int]", barrier: Barrier, weights: Weights) -> None:
    torch.set_num_threads(settings.selfplay.threads)
    player = GamePlayer(settings, streams.get())
    player.load(weights, 0)
    _own.append((player, barrier))


def _play(seconds: float) -> float:
    player, barrier = _own[0]
    barrier.wait()  # one turn for each process, all at once
    plies, started = 0, perf_counter()
    while (taken := perf_counter() - started) < seconds:
        plies += player.play().statistics.plies
    return plies / taken


class PlainProcesses:
    """`number` processes that play concurrently; spawned, because torch does not survive a fork."""

    def __init__(self, settings: ActorSettings, number: int, weights: Weights) -> None:
        context = multiprocessing.get_context("spawn")
        streams: SimpleQueue[int] = context.SimpleQueue()
        for stream in range(number):
            streams.put(stream)
        self._pool = context.Pool(number, _start, (settings, streams, context.Barrier(number), weights))
        self._number = number
        self.positions_a_second(0.1)  # all are ready

    def positions_a_second(self, seconds: float) -> float:
        """Play in all processes at once; their speeds together."""
        return sum(self._pool.map(_play, [seconds] * self._number, chunksize=1))

    def close(self) -> None:
        self._pool.terminate()
