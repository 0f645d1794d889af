"""One network for many game actors: the inference actor, and the evaluator that asks it.

The actor holds the weights of one version. A request names the version that the game actor was told to play with;
an actor whose weights are older, or that has none because it was restarted, says so, and the game actor hands it
the weights from the object store and asks again. So nobody has to watch over restarts: Ray starts a dead actor anew
and repeats the calls that were under way, each of which still gets one answer. Requests of a game actor that died
are evaluated, and their answers dropped.

An answer may come from newer weights than were asked for, even within one search. Records therefore name the
oldest version that had a say in a ply.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules
from agent.networks.evaluator import Evaluation, Evaluator, LegalEvaluation
from agent.networks.evaluators import make_evaluator
from agent.networks.registry import AnyArchitecture, make_network
from agent.networks.residual.plane_buffer import PlaneBuffer
from agent.networks.residual.runtimes import AUTO
from agent.vocabulary import SIZE
from selfplay.batcher import Answer, Batcher

Weights = Mapping[str, NDArray[np.float32]]
"""Published weights: a network's state as arrays by name."""


@dataclass(frozen=True)
class InferenceSettings:
    """How the inference actor works."""

    batch_size: int = 256
    """Positions that make a batch."""
    max_wait_ms: float = 2.0
    """Longest wait of a request for others to join."""
    gpus: float = 0.0
    """Of the actor; above 0 it evaluates on CUDA."""
    threads: int = 1
    """torch threads of the actor on the CPU."""
    runtime: str = AUTO
    """See `agent.networks.residual.runtimes`."""


class InferenceActor:
    """A thin coat for Ray around a `Batcher`.

    Args:
        architecture: of the network.
        settings: of the actor.
        reduced: whether `auto` may take bfloat16 on a CPU.
    """

    def __init__(self, architecture: AnyArchitecture, settings: InferenceSettings, reduced: bool) -> None:
        torch.set_num_threads(settings.threads)
        device = "cuda" if settings.gpus > 0 else "cpu"
        evaluator = make_evaluator(make_network(architecture), device, runtime=settings.runtime, reduced=reduced)
        self._batcher = Batcher(evaluator, batch_size=settings.batch_size, max_wait=settings.max_wait_ms / 1000)

    def load(self, weights: list["ray.ObjectRef[Weights]"], version: int) -> None:
        """Take weights, unless those held are as new; a list with one reference, so that Ray does not fetch early."""
        if version > self._batcher.version:
            arrays = ray.get(weights[0])
            self._batcher.load({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, version)

    def evaluate(
        self, version: int, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> Answer | None:
        """See `Batcher.ask`; None if the weights held are older than `version`."""
        return None if self._batcher.version < version else self._batcher.ask(positions, moves, counts)

    def statistics(self) -> tuple[int, int, int]:
        """Requests, batches and positions so far."""
        done = self._batcher.statistics
        return done.requests, done.batches, done.positions


InferenceHandle = Any
"""Ray's handle of an `InferenceActor`."""


def start_inference(
    architecture: AnyArchitecture, settings: InferenceSettings, *, callers: int, reduced: bool
) -> InferenceHandle:
    """Start the actor for `callers` game actors. Ray must be initialised."""
    options = {
        "num_cpus": settings.threads,
        "num_gpus": settings.gpus,
        # A call occupies a thread while it waits; two halves of a search may ask at once.
        "max_concurrency": 2 * callers + 2,
        "max_restarts": -1,
        "max_task_retries": -1,
    }
    return cast(Any, ray.remote)(**options)(InferenceActor).remote(architecture, settings, reduced)


class FillGauge:
    """How full the inference actor's batches are, asked without waiting for the answer.

    Args:
        batch_size: a full batch.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._asked: ray.ObjectRef[tuple[int, int, int]] | None = None
        self._batches, self._positions = 0, 0

    def read(self, actor: InferenceHandle) -> float | None:
        """Share of a full batch, between the last two answers; None before there are two, or without a batch since."""
        fill = None
        if self._asked is not None:
            ready, _ = ray.wait([self._asked], timeout=0)
            if not ready:
                return None
            with contextlib.suppress(ray.exceptions.RayError):  # it died: its replacement counts anew
                _, batches, positions = ray.get(self._asked)
                if batches > self._batches:
                    fill = (positions - self._positions) / (batches - self._batches) / self._batch_size
                self._batches, self._positions = batches, positions
        self._asked = actor.statistics.remote()
        return fill


class RemoteEvaluator(Evaluator):
    """Evaluates by asking the inference actor; holds no network.

    Args:
        actor: the inference actor.
    """

    def __init__(self, actor: InferenceHandle) -> None:
        self.device = torch.device("cpu")
        self.batch_size = 2**31
        self.reads_planes = False
        self.least_batch = 1
        self.overlaps = True
        self.version = -1
        """Asked for."""
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

    def evaluate(self, positions: NDArray[np.uint64], *, buffer: PlaneBuffer | None = None) -> Evaluation:
        """See `Evaluator`. Illegal moves get the logit 0, which no kernel reads."""
        moves, counts = rules.legal_moves(positions)
        found = self.evaluate_legal(positions, moves, counts)
        logits = np.zeros((len(positions), SIZE), np.float32)
        legal = np.arange(found.logits.shape[1]) < counts[:, None]
        rows = np.repeat(np.arange(len(positions)), counts)
        logits[rows, moves[:, : legal.shape[1]][legal]] = found.logits[legal]
        return Evaluation(torch.from_numpy(logits), torch.from_numpy(np.array(found.values)))

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """See `Evaluator`."""
        return self.ask_legal(positions, moves, counts)()

    def ask_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> Callable[[], LegalEvaluation]:
        """See `Evaluator`: the request is under way when this returns."""
        width = int(counts.max(initial=0))
        # Copies: Ray may keep what it was given until an answer came, for a second try.
        request = positions.copy(), moves[:, :width].copy(), counts.copy()
        call = self._actor.evaluate.remote(self.version, *request)

        def wait() -> LegalEvaluation:
            answer = cast(Answer | None, ray.get(call))
            while answer is None:
                ray.get(self._actor.load.remote(self._weights, self.version))
                answer = cast(Answer | None, ray.get(self._actor.evaluate.remote(self.version, *request)))
            self._oldest = answer.version if self._oldest is None else min(self._oldest, answer.version)
            return LegalEvaluation(answer.log_probs, answer.values)

        return wait
