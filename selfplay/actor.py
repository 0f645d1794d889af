"""The Ray actor around a generator, and what it reports."""

import os
import socket
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import ray
import torch
from numpy.typing import NDArray

import kernels
from agent.memory import resident_bytes
from agent.networks.registry import make_evaluator, make_network
from selfplay.generator import Generator, GeneratorStatistics
from selfplay.identity import check_identity
from selfplay.record import GameRecord
from selfplay.settings import ActorSettings

_WEIGHTS: Final = "weights."
Weights = Mapping[str, NDArray[np.float32]]  # published weights: a network's state as arrays by name


@dataclass(frozen=True)
class GameBatch:
    """What one call of an actor brings back."""

    stream: int  # of the generator that played
    version: int  # of the weights at the end of the call
    records: list[GameRecord] = field(default_factory=list)  # games that ended during the call
    statistics: GeneratorStatistics = field(default_factory=GeneratorStatistics)  # of the call, with unfinished games
    launches: Mapping[str, int] = field(default_factory=dict)
    """How often each kernel ran on each backend during the call, keyed like `masked_softmax.triton`."""
    place: int = 0  # of the actor in its pool; a replacement takes over the place
    resident: int = 0  # bytes that this process occupies now; 0 where the system does not say


class GamePlayer:
    """A generator with weights that can be exchanged between calls; runs in an actor or in the learner's process."""

    def __init__(self, settings: ActorSettings, stream: int) -> None:
        self._settings, self._stream = settings, stream
        with torch.random.fork_rng(devices=[]):  # these weights are replaced before the first move
            network = make_network(settings.architecture)
        device = "cuda" if settings.selfplay.gpus > 0 else "cpu"
        evaluator = make_evaluator(network, device, runtime=settings.selfplay.runtime)
        self._generator = Generator(evaluator, settings.selfplay, seed=settings.seed, stream=stream)
        self._generator.version = -1
        self._weights: Weights = {}

    @property
    def version(self) -> int:
        """Of the weights in use; -1 before the first."""
        return self._generator.version

    def state(self) -> dict[str, NDArray[Any]]:
        """Unfinished games, and the weights that play them."""
        weights = {f"{_WEIGHTS}{name}": array for name, array in self._weights.items()}
        return {**weights, **self._generator.state(), "stream": np.array([self._stream], np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> bool:
        """Go on from a saved state of a player with the same settings and stream, see `Generator.restore`."""
        weights = {name.removeprefix(_WEIGHTS): a for name, a in state.items() if name.startswith(_WEIGHTS)}
        if restored := self._generator.restore(state):
            self.load(weights, self._generator.version)
        return restored

    def load(self, weights: Weights, version: int) -> None:
        """Use these weights from the next ply on."""
        self._weights = weights
        with warnings.catch_warnings():
            # The object store's arrays are read-only, of which torch warns; the evaluator only copies from them.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            self._generator.evaluator.load({name: torch.from_numpy(array) for name, array in weights.items()})
        self._generator.version = version

    def play(self) -> GameBatch:
        """Play `plies_per_call` plies in every game."""
        before = Counter(kernels.launches())
        records = [record for _ in range(self._settings.selfplay.plies_per_call) for record in self._generator.step()]
        launches = dict(Counter(kernels.launches()) - before)
        found = records, self._generator.take_statistics(), launches
        return GameBatch(self._stream, self.version, *found, resident=resident_bytes())


class GameActor:
    """Ray wrapper of a `GamePlayer`: fetches weights only when their version is new, then plays. `expected` is the
    identity of the process that started it; None: not checked. `niceness` is added to its own, so that a learner on the
    same cores comes first."""

    def __init__(self, settings: ActorSettings, stream: int, expected: str | None = None, niceness: int = 0) -> None:
        os.nice(niceness)
        self._expected = expected
        torch.set_num_threads(settings.selfplay.threads)
        self._player = GamePlayer(settings, stream)

    def play(self, weights: list["ray.ObjectRef[Weights]"], version: int) -> GameBatch:
        """Play one call's plies with `weights`: one reference in a list, so that Ray fetches only what is needed. An
        InputError where this process runs other code than the one that started it. (Ray would show what a constructor
        raises as a death.)"""
        if self._expected is not None:
            check_identity(self._expected, f"the game actor on {socket.gethostname()}")
        if version != self._player.version:
            self._player.load(ray.get(weights[0]), version)
        return self._player.play()
