"""Whole self-play: Ray actors beside as many plain processes: `zeromass benchmark selfplay`.

    zeromass benchmark selfplay selfplay.games=64 --seconds 8

The actors are those of a run: a `RayPool` with the settings of a config (mode `policy` is `demo`, `search` is `cpu`).
Their games are collected, turned into targets and added to a replay buffer, and weights are published as often as by a
learner that keeps up. The plain processes, the upper bound, run the same generators without Ray and keep their games:
only counts are sent. All processes stay."""

import multiprocessing
import pickle
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import torch
from rich.table import Table

from agent.compilation import warm_up
from agent.errors import InputError
from agent.networks.registry import make_network
from benchmarks.measuring import Figures, Found, Progress, table
from selfplay.actor import GameBatch, GamePlayer, Weights
from selfplay.pool import Pool, RayPool
from selfplay.settings import ActorSettings
from training.assembly import make_replay
from training.cluster import ray_for
from training.replay import ReplayBuffer
from training.settings import Settings, load_settings
from training.targets import targets_by

MODES: Final = {"policy": "demo", "search": "cpu"}  # the config of each mode
ACTORS: Final = "Ray actors (ratio: to plain processes)"


def bytes_a_position(batches: Sequence[GameBatch]) -> float:
    """Size of the games as sent."""
    records = [record for batch in batches for record in batch.records]
    return sum(len(pickle.dumps(record, protocol=5)) for record in records) / sum(record.plies for record in records)


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


def drive(
    pool: Pool, replay: ReplayBuffer, settings: Settings, weights: Weights, seconds: float
) -> tuple[float, list[GameBatch]]:
    """Collect games for `seconds` like the training loop without a learner; positions a second, and the last batches
    with finished games."""
    learner = settings.learner
    due = learner.publish_steps * learner.batch_size / learner.reuse  # positions from one version to the next
    plies = versions = 0
    last: list[GameBatch] = []
    pool.collect(wait=False)  # what was played before is dropped
    started = perf_counter()
    while (taken := perf_counter() - started) < seconds or not last:
        batches = pool.collect(wait=True)
        plies += sum(batch.statistics.plies for batch in batches)
        last = [*last, *(batch for batch in batches if batch.records)][-32:]
        for record in (record for batch in batches for record in batch.records):
            replay.add(record, targets_by(learner, record))
        if plies >= due * (versions + 1):
            versions += 1
            pool.publish(weights, versions)
    return plies / taken, last


def measure(figures: Figures, mode: str, settings: Settings, *, rounds: int, seconds: float) -> None:
    torch.set_num_threads(settings.learner.threads)
    network = make_network(settings.actor.architecture)
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    plain = PlainProcesses(settings.actor, settings.selfplay.actors, weights)
    pool, replay = RayPool(settings.actor), make_replay(settings)
    alone, speeds = [], []
    try:
        pool.publish(weights, 0)
        drive(pool, replay, settings, weights, min(seconds, 1.0))
        for _ in range(rounds):
            alone.append(plain.positions_a_second(seconds))
            speed, last = drive(pool, replay, settings, weights, seconds)
            speeds.append(speed)
    finally:
        plain.close()
        pool.close()
    figures.add("plain processes", mode, alone, "positions/s")
    figures.add(ACTORS, mode, speeds, "positions/s")
    figures.ratio(ACTORS, mode, speeds, alone)
    figures.add("a position as sent, bytes", mode, [bytes_a_position(last)], "bytes")


def run(
    *, rounds: int = 3, seconds: float = 5.0, overrides: Sequence[str] = (), progress: Progress = lambda line: None
) -> Found:
    chosen = {mode: load_settings(config, list(overrides)) for mode, config in MODES.items()}
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
    return [table(found, "Positions/s", "figure"), f"Ray actors reach {', '.join(kept)} of plain processes"]
