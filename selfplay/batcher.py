"""Requests of many threads joined into batches for one evaluator. Plain Python; the inference actor wraps it for Ray.
Lifecycle: `ask` blocks its thread until the batch that holds its request was evaluated. A batch is evaluated once it
has `batch_size` positions, or `max_wait` seconds after its first request. Each caller has at most one pending request,
so the queue is bounded by the number of callers."""

import itertools
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

import numpy as np
from torch import Tensor

from agent.networks.contract import Counts, LegalEvaluation, Moves, Positions
from agent.networks.evaluator import Evaluator

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
    """See the module. No other thread may use `evaluator`; a request of more than `batch_size` is a batch by itself."""

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
