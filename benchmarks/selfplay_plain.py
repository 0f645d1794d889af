"""Self-play in plain processes, without Ray: what actors are measured against.

Each process has the generator that an actor has, plays when told to and keeps its games: nothing is sent but counts.
"""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import NamedTuple

import torch

from selfplay.actor import ActorSettings, GamePlayer, Weights


class Played(NamedTuple):
    """What one process did."""

    plies: int
    games: int
    seconds: float


def _serve(pipe: Connection, settings: ActorSettings, stream: int, weights: Weights) -> None:
    """Play for as many seconds as each message asks for, and answer with a `Played`; zero seconds end the process."""
    torch.set_num_threads(settings.threads)
    player = GamePlayer(settings, stream)
    player.load(weights, 0)
    pipe.send(Played(0, 0, 0.0))
    while seconds := pipe.recv():
        plies = games = 0
        started = perf_counter()
        while (taken := perf_counter() - started) < seconds:
            batch = player.play()
            plies += batch.statistics.plies
            games += len(batch.records)
        pipe.send(Played(plies, games, taken))


class PlainProcesses:
    """`number` processes that play side by side, from the start (not forked: torch does not survive that)."""

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

    def play(self, seconds: float) -> list[Played]:
        """Play in all processes at once; what each did."""
        for pipe in self._pipes:
            pipe.send(seconds)
        return [pipe.recv() for pipe in self._pipes]

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(0.0)
        for process in self._processes:
            process.join()
