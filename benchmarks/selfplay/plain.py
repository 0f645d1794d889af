"""Self-play in plain processes, without Ray: the upper bound that actors are measured against.

Each process has an actor's generator and keeps its games: only counts are sent.
"""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import perf_counter

import torch

from selfplay.actor import GamePlayer, Weights
from selfplay.settings import ActorSettings


def _serve(pipe: Connection, settings: ActorSettings, stream: int, weights: Weights) -> None:
    """Play for the seconds of each message and answer with positions a second; zero seconds end the process."""
    torch.set_num_threads(settings.selfplay.threads)
    player = GamePlayer(settings, stream)
    player.load(weights, 0)
    pipe.send(0.0)
    while seconds := pipe.recv():
        plies = 0
        started = perf_counter()
        while (taken := perf_counter() - started) < seconds:
            plies += player.play().statistics.plies
        pipe.send(plies / taken)


class PlainProcesses:
    """`number` processes that play concurrently; spawned, because torch does not survive a fork."""

    def __init__(self, settings: ActorSettings, number: int, weights: Weights) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for stream in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, settings, stream, weights), daemon=True)
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()  # ready

    def positions_a_second(self, seconds: float) -> float:
        """Play in all processes at once; their speeds together."""
        for pipe in self._pipes:
            pipe.send(seconds)
        return float(sum(pipe.recv() for pipe in self._pipes))

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(0.0)
        for process in self._processes:
            process.join()
