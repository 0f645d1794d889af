"""A pool of actors that counts and times what passes through it."""

import pickle
from time import perf_counter
from typing import Any, Final

from selfplay.actor import GameBatch, Weights
from selfplay.pool import Pool
from selfplay.record import GameRecord
from training.settings import LearnerSettings
from training.targets import Targets, targets

STAGES: Final = (
    "network, search, sampling",
    "meter",
    "rules",
    "Python that keeps records",
    "loading weights",
    "sending games, waiting for calls",
)


class WatchedPool:
    """A pool with the figures of one turn; everything else is the pool's own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.begin()

    def begin(self) -> None:
        """Start a turn; earlier games are dropped."""
        self._pool.collect(wait=False)
        self.plies = self.games = self.versions = 0
        self.seconds = 0.0
        """Until the last batch."""
        self.last: list[GameBatch] = []
        self._stages = dict.fromkeys(STAGES, 0.0)
        self._started = perf_counter()
        self._met: set[int] = set()

    @property
    def speed(self) -> float:
        """Positions a second."""
        return self.plies / self.seconds

    @property
    def shares(self) -> dict[str, float]:
        """Of the actors' time, by stage."""
        total = sum(self._stages.values()) or 1.0
        return {stage: seconds / total for stage, seconds in self._stages.items()}

    @property
    def bytes_a_position(self) -> float:
        """Size of the last games as sent; 0 if none ended."""
        records = [record for batch in self.last for record in batch.records]
        size = sum(len(pickle.dumps(record, protocol=5)) for record in records)
        return size / max(sum(record.plies for record in records), 1)

    def publish(self, weights: Weights, version: int) -> None:
        """See `Pool`."""
        self._pool.publish(weights, version)
        self.versions += 1

    def collect(self, *, wait: bool) -> list[GameBatch]:
        """See `Pool`."""
        batches = self._pool.collect(wait=wait)
        self.seconds = perf_counter() - self._started
        for batch in batches:
            self._add(batch)
        self.last = [*self.last, *batches][-32:]
        return batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def _add(self, batch: GameBatch) -> None:
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


def targets_by(settings: LearnerSettings, record: GameRecord) -> Targets:
    """Targets of a game by a run's settings."""
    return targets(record, adjudication=settings.adjudication, value_lambda=settings.value_lambda)
