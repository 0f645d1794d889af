"""What flows through a pool of actors: a pool that times and counts what passes."""

import pickle
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from selfplay.actor import GameBatch, Weights
from selfplay.pool import Pool
from selfplay.record import GameRecord
from training.settings import LearnerSettings
from training.targets import Targets, targets

NETWORK: Final = "network, search, sampling"
METER: Final = "meter"
RULES: Final = "rules"
PYTHON: Final = "Python that keeps records"
LOADING: Final = "loading weights"
AWAY: Final = "sending games, waiting for calls"
STAGES: Final = (NETWORK, METER, RULES, PYTHON, LOADING, AWAY)
_SAMPLE: Final = 32


@dataclass
class Flow:
    """What a pool delivered in one turn."""

    plies: int = 0
    seconds: float = 0.0
    """Until the last batch."""
    games: int = 0
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Seconds of the actors by stage."""
    collecting: float = 0.0
    """Seconds in `collect`: waiting for games and unpacking them."""
    versions: int = 0
    """How many were published."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from a publication to each actor's first batch with that version."""
    sample: deque[GameBatch] = field(default_factory=lambda: deque(maxlen=_SAMPLE))
    """The last batches."""

    def shares(self) -> dict[str, float]:
        """Of the actors' time, by stage."""
        total = sum(self.stages.values()) or 1.0
        return {stage: seconds / total for stage, seconds in self.stages.items()}

    def bytes_a_position(self) -> float:
        """Size of the sampled games as sent; 0 if none ended."""
        records = [record for batch in self.sample for record in batch.records]
        size = sum(len(pickle.dumps(record, protocol=5)) for record in records)
        return size / max(sum(record.plies for record in records), 1)


class WatchedPool:
    """A pool with everything that passes counted in `flow`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.begin()

    def begin(self) -> None:
        """Start a turn: earlier games are dropped."""
        self._pool.collect(wait=False)
        self.flow = Flow()
        self._started = perf_counter()
        self._met: set[int] = set()
        self._published: dict[int, float] = {}
        self._heard: set[tuple[int, int]] = set()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the pool's own."""
        return getattr(self._pool, name)

    def publish(self, weights: Weights, version: int) -> None:
        """See `Pool`."""
        self._published[version] = perf_counter()
        self._pool.publish(weights, version)
        self.flow.versions += 1

    def collect(self, *, wait: bool) -> list[GameBatch]:
        """See `Pool`."""
        started = perf_counter()
        batches = self._pool.collect(wait=wait)
        now = perf_counter()
        self.flow.collecting += now - started
        for batch in batches:
            self._add(batch, now)
        return batches

    def _add(self, batch: GameBatch, now: float) -> None:
        flow, done = self.flow, batch.statistics
        flow.plies += done.plies
        flow.games += len(batch.records)
        flow.seconds = now - self._started
        flow.sample.append(batch)
        stages = {
            NETWORK: done.moving,
            METER: done.checking,
            RULES: done.ruling,
            PYTHON: done.seconds - done.moving - done.checking - done.ruling,
        }
        if batch.stream in self._met:  # the first time, an actor was idle during the other turns
            stages |= {LOADING: batch.loading, AWAY: batch.away - batch.loading}
        for stage, seconds in stages.items():
            flow.stages[stage] += seconds
        self._met.add(batch.stream)
        if (batch.version, batch.stream) not in self._heard and batch.version in self._published:
            self._heard.add((batch.version, batch.stream))
            flow.latencies.append(now - self._published[batch.version])


def targets_by(settings: LearnerSettings, record: GameRecord) -> Targets:
    """Targets of a game by a run's settings."""
    return targets(
        record,
        adjudication=settings.adjudication,
        value_lambda=settings.value_lambda,
    )
