"""Whole self-play: Ray actors beside as many plain processes, and where the time goes: `zeromass benchmark selfplay`.

    zeromass benchmark selfplay selfplay.games=64 --seconds 8

The actors are those of a run: a `RayPool` with the settings of a config (mode `policy` is `demo`, `search` is `cpu`).
Their games are collected, turned into targets and added to a replay buffer, and weights are published as often as by a
learner that keeps up. The plain processes, the upper bound, run the same generators without Ray and keep their games:
only counts are sent. All processes stay.

A last turn runs the training loop itself: what the actors do while a learner uses the same cores. Shares are of the
actors' time.
"""

import multiprocessing
import pickle
import statistics
import tempfile
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final, cast

import torch
from rich.table import Table

from agent.compilation import warm_up
from agent.errors import InputError
from agent.networks.registry import make_network
from benchmarks.measuring import Figures, Found, Progress, table
from selfplay.actor import GameBatch, GamePlayer, Weights
from selfplay.pool import Pool, RayPool
from selfplay.settings import ActorSettings
from training.assembly import assemble, make_replay
from training.cluster import ray_for
from training.durability.run_folder import RunFolder
from training.replay import ReplayBuffer
from training.settings import Settings, load_settings
from training.targets import targets_by

MODES: Final = {"policy": "demo", "search": "cpu"}  # the config of each mode
ACTORS, BESIDE = "Ray actors (ratio: to plain processes)", "actors beside the learner (ratio: to alone)"
STAGES: Final = (
    "network, search, sampling", "meter", "rules", "Python that keeps records", "loading weights",
    "sending games, waiting for calls",
)  # fmt: skip


class WatchedPool:
    """A pool with the figures of one turn; everything else is the pool's own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.begin()

    def begin(self) -> None:
        """Start a turn; earlier games are dropped."""
        self._pool.collect(wait=False)
        self.plies = self.versions = 0
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


_own: list[GamePlayer] = []  # the player of this process


def _start(settings: ActorSettings, stream: int, weights: Weights) -> None:
    torch.set_num_threads(settings.selfplay.threads)
    _own.append(GamePlayer(settings, stream))
    _own[0].load(weights, 0)


def _play(seconds: float) -> float:
    plies, started = 0, perf_counter()
    while (taken := perf_counter() - started) < seconds:
        plies += _own[0].play().statistics.plies
    return plies / taken


class PlainProcesses:
    """`number` processes that play concurrently; spawned, because torch does not survive a fork."""

    def __init__(self, settings: ActorSettings, number: int, weights: Weights) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes = [context.Pool(1, _start, (settings, stream, weights)) for stream in range(number)]
        self.positions_a_second(0.1)  # all are ready

    def positions_a_second(self, seconds: float) -> float:
        """Play in all processes at once; their speeds together."""
        calls = [process.apply_async(_play, [seconds]) for process in self._processes]
        return sum(call.get() for call in calls)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()


def drive(pool: WatchedPool, replay: ReplayBuffer, settings: Settings, weights: Weights, seconds: float) -> float:
    """Collect games for `seconds` like the training loop without a learner; positions a second."""
    learner = settings.learner
    due = learner.publish_steps * learner.batch_size / learner.reuse  # positions from one version to the next
    pool.begin()
    deadline = perf_counter() + seconds
    while perf_counter() < deadline or not pool.plies:
        for batch in pool.collect(wait=True):
            for record in batch.records:
                replay.add(record, targets_by(learner, record))
        if pool.plies >= due * (pool.versions + 1):
            pool.publish(weights, pool.versions + 1)
    return pool.speed


def learn(pool: WatchedPool, settings: Settings, seconds: float) -> tuple[float, float]:
    """The training loop for `seconds` and at least one step; positions played and trained a second."""
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(update={"run": settings.run.model_copy(update={"folder": folder})})
        run = assemble(own, RunFolder.create(own, None), make_network(own.network.architecture))
        loop = run.loop
        pool.begin()
        deadline = perf_counter() + seconds
        try:
            loop.run(cast(Pool, pool), stop=lambda: perf_counter() > deadline and loop.learner.step > 0)
        finally:
            run.metrics.close()
        return pool.speed, loop.learner.step * settings.learner.batch_size / pool.seconds


def measure(figures: Figures, mode: str, settings: Settings, *, rounds: int, seconds: float) -> None:
    torch.set_num_threads(settings.learner.threads)
    network = make_network(settings.actor.architecture)
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    plain = PlainProcesses(settings.actor, settings.selfplay.actors, weights)
    inner = RayPool(settings.actor)
    alone, speeds, shares = [], [], []
    try:
        inner.publish(weights, 0)
        pool, replay = WatchedPool(inner), make_replay(settings)
        drive(pool, replay, settings, weights, min(seconds, 1.0))
        for _ in range(rounds):
            alone.append(plain.positions_a_second(seconds))
            speeds.append(drive(pool, replay, settings, weights, seconds))
            shares.append(pool.shares)
        size = pool.bytes_a_position
        plain.positions_a_second(min(seconds, 0.5))  # meanwhile the actors finish their calls
        beside, trained = learn(pool, settings, seconds)
    finally:
        plain.close()
        inner.close()
    figures.add("plain processes", mode, alone, "positions/s")
    figures.add(ACTORS, mode, speeds, "positions/s")
    figures.ratio(ACTORS, mode, speeds, alone)
    figures.add(BESIDE, mode, [beside], "positions/s")
    figures.ratio(BESIDE, mode, [beside], [statistics.median(speeds)])
    figures.add("trained beside the actors", mode, [trained], "positions/s")
    for stage in STAGES:
        figures.add(f"share: {stage}", mode, [found[stage] for found in shares], "")
    figures.add("a position as sent, bytes", mode, [size], "bytes")


def run(
    *, rounds: int = 3, seconds: float = 5.0, overrides: Sequence[str] = (), progress: Progress = lambda line: None
) -> Found:
    # The learner's turn is too short to fill a config's replay buffer first.
    chosen = {mode: load_settings(config, ["replay.warmup=1024", *overrides]) for mode, config in MODES.items()}
    for settings in chosen.values():
        if settings.selfplay.actors == 0:
            raise InputError("selfplay.actors=0 leaves nothing to compare with plain processes; give at least 1")
    warm_up(progress)
    figures = Figures()
    for mode, settings in chosen.items():
        progress(f"{mode}: {settings.selfplay.actors} actors and as many plain processes in turn, {rounds} rounds ...")
        with ray_for(settings, None):
            measure(figures, mode, settings, rounds=rounds, seconds=seconds)
    return figures.found


def show(found: Found) -> list[Table | str]:
    kept = (f"{100 * row['value']:.0f} % ({row['contender']})" for row in found["ratios"] if row["case"] == ACTORS)
    return [
        table(found, "Positions/s and shares of the actors' time", "figure"),
        f"Ray actors reach {', '.join(kept)} of plain processes",
    ]
