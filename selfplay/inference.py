"""One network for many game actors: the inference actor, and the evaluator that asks it.

The inference actor holds the weights of one version. A request names the version that the game actor was told to play
with. An inference actor whose weights are older, or that has none because it was restarted, answers None; the game
actor then hands it the weights from the object store and asks again. Ray restarts a dead inference actor and repeats
the pending calls, each of which still gets one answer. Requests of a game actor that died are evaluated, and their
answers dropped.

An answer may come from newer weights than were asked for, even within one search. Records therefore name the oldest
version that evaluated a position for a ply.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, cast

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
from selfplay.settings import InferenceSettings

Weights = Mapping[str, NDArray[np.float32]]  # published weights: a network's state as arrays by name


Answer = tuple[int, LegalEvaluation]
"""The version of the weights that answered, the same for all positions of a request, and their evaluation.

A worked example: two positions with 20 and 3 legal moves, answered by version 7, give (7, evaluation) with logits
[2, 20], of which the second row counts up to its third entry, and values [2].
"""


class _Request(NamedTuple):
    positions: Positions
    moves: Moves
    counts: Counts
    answer: Future[Answer]


@dataclass
class BatcherStatistics:
    """What was evaluated."""

    requests: int = 0
    batches: int = 0
    positions: int = 0


class Batcher:
    """Requests of many threads joined into batches for one evaluator, which no other thread may use. Plain Python.

    `ask` blocks its thread until the batch that holds its request was evaluated. A batch is evaluated once it has
    `batch_size` positions, or `max_wait` seconds after its first request; a request of more positions is a batch by
    itself. Each caller has at most one pending request, so the queue is bounded by the number of callers.
    """

    def __init__(self, evaluator: Evaluator, *, batch_size: int, max_wait: float) -> None:
        self.version = -1  # of the weights; -1 before the first
        self._evaluator, self._batch_size, self._max_wait = evaluator, batch_size, max_wait
        self._statistics = BatcherStatistics()
        self._waiting: deque[_Request] = deque()
        self._held = 0  # positions in `_waiting`
        self._changed = threading.Condition()
        self._evaluating = threading.Lock()
        threading.Thread(target=self._serve, name="batcher", daemon=True).start()

    def load(self, state: Mapping[str, Tensor], version: int) -> None:
        """Use these weights from the next batch on; those of an older version than the present one are ignored."""
        with self._evaluating:
            if version > self.version:
                self._evaluator.load(state)
                self.version = version

    def ask(self, positions: Positions, moves: Moves, counts: Counts) -> Answer:
        """Evaluate positions [L, WORDS] with their legal `moves` [L, K], of which the first `counts` [L] count. A
        ValueError where arrays do not fit each other; what the evaluator raises for the batch is raised too."""
        if moves.ndim != 2 or counts.shape != (len(positions),) or len(moves) != len(positions):
            raise ValueError(f"{len(positions)} positions, moves {list(moves.shape)}, counts {list(counts.shape)}")
        request = _Request(positions, moves, counts, Future())
        with self._changed:
            self._waiting.append(request)
            self._held += len(positions)
            self._changed.notify()
        return request.answer.result()

    def take_statistics(self) -> BatcherStatistics:
        """What was evaluated since the last call."""
        with self._evaluating:
            taken, self._statistics = self._statistics, BatcherStatistics()
            return taken

    def _serve(self) -> None:
        while True:
            batch = self._take()
            try:
                answers = self._evaluate(batch)
            except Exception as error:  # the callers must get it, or they would wait for ever
                for request in batch:
                    request.answer.set_exception(error)
                continue
            for request, answer in zip(batch, answers, strict=True):
                request.answer.set_result(answer)

    def _take(self) -> list[_Request]:
        """The next batch."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            until = monotonic() + self._max_wait
            while self._held < self._batch_size and (left := until - monotonic()) > 0:
                self._changed.wait(left)
            batch: list[_Request] = []
            size = 0
            while self._waiting:
                length = len(self._waiting[0].positions)
                if batch and size + length > self._batch_size:
                    break
                batch.append(self._waiting.popleft())
                size += length
            self._held -= size
            return batch

    def _evaluate(self, batch: list[_Request]) -> list[Answer]:
        positions = np.concatenate([request.positions for request in batch])
        counts = np.concatenate([request.counts for request in batch])
        cuts = np.cumsum([0, *(len(request.positions) for request in batch)])
        rows = [slice(low, high) for low, high in itertools.pairwise(cuts.tolist())]
        moves = np.zeros((len(positions), int(counts.max(initial=1))), np.uint16)
        for request, part in zip(batch, rows, strict=True):
            width = min(request.moves.shape[1], moves.shape[1])
            moves[part, :width] = request.moves[:, :width]
        with self._evaluating:
            version = self.version
            found = self._evaluator.evaluate_legal(positions, moves, counts)
            self._statistics.requests += len(batch)
            self._statistics.batches += 1
            self._statistics.positions += len(positions)
        widths = [int(request.counts.max(initial=0)) for request in batch]
        return [
            (version, LegalEvaluation(found.logits[part, :width], found.values[part]))
            for part, width in zip(rows, widths, strict=True)
        ]


class InferenceActor(Batcher):
    """A batcher as a Ray actor; one thread of torch on the CPU."""

    def __init__(self, architecture: Architecture, settings: InferenceSettings) -> None:
        torch.set_num_threads(1)
        device = "cuda" if settings.gpus > 0 else "cpu"
        evaluator = make_evaluator(make_network(architecture), device, runtime=settings.runtime)
        super().__init__(evaluator, batch_size=settings.batch_size, max_wait=settings.max_wait_ms / 1000)

    def take(self, weights: list["ray.ObjectRef[Weights]"], version: int) -> None:
        """Take weights, unless those held are as new; a list with one reference, so that Ray does not fetch early."""
        if version > self.version:
            arrays = ray.get(weights[0])
            self.load({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, version)

    def evaluate(self, version: int, positions: Positions, moves: Moves, counts: Counts) -> Answer | None:
        """See `Batcher.ask`; None if the weights held are older than `version`."""
        return None if self.version < version else self.ask(positions, moves, counts)


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
                ray.get(self._actor.take.remote(self._weights, self.version))
                answer = cast(Answer | None, ray.get(self._actor.evaluate.remote(self.version, *request)))
            version, found = answer
            self._oldest = version if self._oldest is None else min(self._oldest, version)
            return found

        return wait
