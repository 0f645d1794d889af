"""What flows through a pool of actors: a pool with a watch and scales."""

import pickle
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from numpy.typing import NDArray

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
    """What came out of a pool in one turn."""

    plies: int = 0
    seconds: float = 0.0
    """Until the last batch."""
    games: int = 0
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Seconds of the actors by stage."""
    collecting: float = 0.0
    """Seconds that the caller spent in `collect`: waiting for games and unpacking them."""
    putting: list[float] = field(default_factory=list)
    """Seconds of each publication."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from a publication to the first batch of each actor that played by it."""
    sample: deque[GameBatch] = field(default_factory=lambda: deque(maxlen=_SAMPLE))
    """The last batches."""

    def shares(self) -> dict[str, float]:
        """Of the actors' time, by stage."""
        total = sum(self.stages.values()) or 1.0
        return {stage: seconds / total for stage, seconds in self.stages.items()}

    def message(self) -> tuple[float, float, float]:
        """Bytes a game, bytes a position and seconds a position of packing, by pickling the sample."""
        records = [record for batch in self.sample for record in batch.records]
        plies = sum(record.plies for record in records)
        if not plies:
            return 0.0, 0.0, 0.0
        started = perf_counter()
        size = sum(len(pickle.dumps(record, protocol=5)) for record in records)
        return size / len(records), size / plies, (perf_counter() - started) / plies


class WatchedPool:
    """A pool as its caller sees it, with everything that passes counted in `flow`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.begin()

    def begin(self) -> None:
        """Start a turn: what the actors did before is thrown away."""
        self._pool.collect(wait=False)
        self.flow = Flow()
        self._started = perf_counter()
        self._met: set[int] = set()
        self._published: dict[int, float] = {}
        self._heard: set[tuple[int, int]] = set()

    @property
    def restarts(self) -> int:
        """See `Pool`."""
        return self._pool.restarts

    @property
    def streams(self) -> int:
        """See `Pool`."""
        return self._pool.streams

    @property
    def actors(self) -> int:
        """See `Pool`."""
        return self._pool.actors

    @property
    def batch_fill(self) -> float | None:
        """See `Pool`."""
        return self._pool.batch_fill

    def publish(self, weights: Weights, version: int) -> None:
        """See `Pool`."""
        self._published[version] = started = perf_counter()
        self._pool.publish(weights, version)
        self.flow.putting.append(perf_counter() - started)

    def collect(self, *, wait: bool) -> list[GameBatch]:
        """See `Pool`."""
        started = perf_counter()
        batches = self._pool.collect(wait=wait)
        now = perf_counter()
        self.flow.collecting += now - started
        for batch in batches:
            self._add(batch, now)
        return batches

    def state(self) -> dict[str, NDArray[Any]]:
        """See `Pool`."""
        return self._pool.state()

    def close(self) -> None:
        """See `Pool`."""
        self._pool.close()

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
        if batch.stream in self._met:  # before, the actor was away for the other turns
            stages |= {LOADING: batch.loading, AWAY: batch.away - batch.loading}
        for stage, seconds in stages.items():
            flow.stages[stage] += seconds
        self._met.add(batch.stream)
        if (batch.version, batch.stream) not in self._heard and batch.version in self._published:
            self._heard.add((batch.version, batch.stream))
            flow.latencies.append(now - self._published[batch.version])


def targets_by(settings: LearnerSettings, record: GameRecord) -> Targets:
    """What a game teaches, by a run's settings."""
    return targets(
        record,
        adjudication=settings.adjudication,
        gae_lambda=settings.gae_lambda,
        value_lambda=settings.value_lambda,
    )
