"""One network for many game actors: the inference actor, and the evaluator that asks it.

The inference actor holds the weights of one version. A request names the version that the game actor was told to play
with. An inference actor whose weights are older, or that has none because it was restarted, answers None; the game
actor then hands it the weights from the object store and asks again. Ray restarts a dead inference actor and repeats
the pending calls, each of which still gets one answer. Requests of a game actor that died are evaluated, and their
answers dropped.

An answer may come from newer weights than were asked for, even within one search. Records therefore name the oldest
version that evaluated a position for a ply.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules
from agent.networks.contract import Architecture, Counts, LegalEvaluation, Moves, Positions
from agent.networks.evaluator import Evaluation, Evaluator
from agent.networks.registry import make_evaluator, make_network
from agent.vocabulary import SIZE
from selfplay.batcher import Answer, Batcher, BatcherStatistics
from selfplay.settings import InferenceSettings

Weights = Mapping[str, NDArray[np.float32]]  # published weights: a network's state as arrays by name


class InferenceActor:
    """Ray wrapper of a `Batcher`; one thread of torch on the CPU."""

    def __init__(self, architecture: Architecture, settings: InferenceSettings) -> None:
        torch.set_num_threads(1)
        device = "cuda" if settings.gpus > 0 else "cpu"
        evaluator = make_evaluator(make_network(architecture), device, runtime=settings.runtime)
        self._batcher = Batcher(evaluator, batch_size=settings.batch_size, max_wait=settings.max_wait_ms / 1000)

    def load(self, weights: list["ray.ObjectRef[Weights]"], version: int) -> None:
        """Take weights, unless those held are as new; a list with one reference, so that Ray does not fetch early."""
        if version > self._batcher.version:
            arrays = ray.get(weights[0])
            self._batcher.load({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, version)

    def evaluate(self, version: int, positions: Positions, moves: Moves, counts: Counts) -> Answer | None:
        """See `Batcher.ask`; None if the weights held are older than `version`."""
        return None if self._batcher.version < version else self._batcher.ask(positions, moves, counts)

    def take_statistics(self) -> BatcherStatistics:
        """What was evaluated since the last call."""
        return self._batcher.take_statistics()


InferenceHandle = Any  # Ray's handle of an `InferenceActor`


def start_inference(architecture: Architecture, settings: InferenceSettings, *, callers: int) -> InferenceHandle:
    """Start the actor for `callers` game actors. Ray must be initialised."""
    # A call occupies a thread while it waits; two halves of a search may ask at once.
    options = {"num_cpus": 1, "num_gpus": settings.gpus, "max_concurrency": 2 * callers + 2}
    remote = cast(Any, ray.remote)(**options, max_restarts=-1, max_task_retries=-1)(InferenceActor)
    return remote.remote(architecture, settings)


class RemoteEvaluator(Evaluator):
    """Evaluates by asking the inference actor; holds no network."""

    overlaps = True

    def __init__(self, actor: InferenceHandle) -> None:
        self.device = torch.device("cpu")
        self.version = -1  # asked for
        self._actor = actor
        self._weights: list[ray.ObjectRef[Weights]] = []
        self._oldest: int | None = None

    def use(self, weights: list["ray.ObjectRef[Weights]"], version: int) -> None:
        """Ask for this version from now on; `weights` are at hand in case the actor lacks them."""
        self._weights, self.version = weights, version

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Not here: see `use`."""
        raise NotImplementedError("the inference actor takes weights from the object store")

    def take_version(self, loaded: int) -> int:
        """See `Evaluator`."""
        oldest, self._oldest = self._oldest, None
        return loaded if oldest is None else oldest

    def evaluate(self, positions: NDArray[np.uint64]) -> Evaluation:
        """See `Evaluator`. Illegal moves get the logit 0."""
        moves, counts = rules.legal_moves(positions)
        found = self.evaluate_legal(positions, moves, counts)
        logits = np.zeros((len(positions), SIZE), np.float32)
        legal = np.arange(found.logits.shape[1]) < counts[:, None]
        rows = np.repeat(np.arange(len(positions)), counts)
        logits[rows, moves[:, : legal.shape[1]][legal]] = found.logits[legal]
        return Evaluation(torch.from_numpy(logits), torch.from_numpy(np.array(found.values)))

    def evaluate_legal(self, positions: Positions, moves: Moves, counts: Counts) -> LegalEvaluation:
        """See `Evaluator`."""
        return self.ask_legal(positions, moves, counts)()

    def ask_legal(self, positions: Positions, moves: Moves, counts: Counts) -> Callable[[], LegalEvaluation]:
        """See `Evaluator`: the request is under way when this returns."""
        width = int(counts.max(initial=0))
        # Copies: Ray keeps the arguments for a second try until the answer has come.
        request = positions.copy(), moves[:, :width].copy(), counts.copy()
        call = self._actor.evaluate.remote(self.version, *request)

        def wait() -> LegalEvaluation:
            answer = cast(Answer | None, ray.get(call))
            while answer is None:
                ray.get(self._actor.load.remote(self._weights, self.version))
                answer = cast(Answer | None, ray.get(self._actor.evaluate.remote(self.version, *request)))
            version, found = answer
            self._oldest = version if self._oldest is None else min(self._oldest, version)
            return found

        return wait
