"""Self-play in plain processes, without Ray: the upper bound that actors are measured against.

Each process has an actor's generator and keeps its games: only counts are sent.
"""

import multiprocessing
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from time import perf_counter

import torch

from selfplay.actor import GamePlayer, Weights
from selfplay.settings import ActorSettings

_own: list[tuple[GamePlayer, Barrier]] = []
"""The player of this process, and the barrier of all processes."""


def _start(settings: ActorSettings, streams: "SimpleQueue[int]", barrier: Barrier, weights: Weights) -> None:
    torch.set_num_threads(settings.selfplay.threads)
    player = GamePlayer(settings, streams.get())
    player.load(weights, 0)
    _own.append((player, barrier))


def _play(seconds: float) -> float:
    """Play for `seconds`; positions a second."""
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
        """End the processes."""
        self._pool.terminate()
