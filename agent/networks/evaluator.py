"""Packed positions in, policy logits and values out: how players, searches and self-play use a network.

Shapes: B positions, L positions whose legal moves are given, K at least the largest number of legal moves among them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.networks.network import Architecture, Network, autocast, expected_score
from agent.rules import pack_moves
from agent.vocabulary import SIZE
from kernels import legal_log_probs


class Evaluation(NamedTuple):
    """What the network says about B positions and all moves of the vocabulary."""

    logits: Tensor
    """float32 [B, 1880], unmasked."""
    values: Tensor
    """float32 [B], expected score -1..1 for the side to move."""


class LegalEvaluation(NamedTuple):
    """What the network says about L positions and their legal moves alone."""

    logits: NDArray[np.float32]
    """[L, K] of the legal moves, in their order, normalised or not; undefined past a position's legal moves."""
    values: NDArray[np.float32]
    """[L] expected score -1..1 for the side to move."""


class CompiledEvaluator(NamedTuple):
    """A network that compiled code can call.

    `evaluate` is njit-compiled and called as
    `evaluate(position [WORDS], moves uint16 [ROW], count, parameters, scratch, logits float32 [ROW]) -> value`:
    it writes the logits of the first `count` moves, in their order, and returns the expected score.
    """

    evaluate: Callable[..., Any]
    parameters: Any
    """Weights, of any type Numba knows; new weights of the same types need no compiling."""
    scratch: Any
    """Memory for one evaluation; used by one search at a time. If it has `wdl` float32 [3], `evaluate` writes the
    probabilities of win, draw and loss there, and a search under time control reads the draw's."""


class LeafEvaluator(ABC):
    """Evaluates positions in batches of a search's or a caller's own size."""

    overlaps = False
    """Whether `ask_legal` returns before the answer is there, so that callers can work meanwhile."""

    @abstractmethod
    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """Evaluate positions [L, WORDS] with their legal `moves` [L, 224], of which the first `counts` [L] count.

        The arrays may change after the call.
        """

    def ask_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> Callable[[], LegalEvaluation]:
        """As `evaluate_legal`, in two steps: the arrays were read when this returns, the result waits for the answer.

        Several answers may be pending; they are to be taken in the order of asking.
        """
        found = self.evaluate_legal(positions, moves, counts)
        return lambda: found


class Evaluator(LeafEvaluator):
    """Evaluates packed positions with `network`, not a copy, on one device, at most `batch_size` at once.

    This is torch as it comes, for any network: bfloat16 autocast on CUDA, float32 on the CPU. Other runtimes of a
    network are subclasses.
    """

    def __init__(self, network: Network, device: torch.device | str = "cpu", batch_size: int = 512) -> None:
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.least_batch = 16 if self.device.type == "cpu" else 1
        """Smaller batches round differently on a CPU; `evaluate_legal` fills them up."""
        self._network = network.to(self.device).eval()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture."""
        self._network.load_state_dict(state)

    @torch.inference_mode()
    def evaluate(self, positions: NDArray[np.uint64]) -> Evaluation:
        """Evaluate packed positions uint64 [B, WORDS]; B may be 0. Results are on the device."""
        if not len(positions):
            return Evaluation(torch.empty(0, SIZE, device=self.device), torch.empty(0, device=self.device))
        # Even cuts: a short rest would be rounded differently, see `least_batch`.
        cuts = -(-len(positions) // self.batch_size)
        parts = [self._forward(part) for part in np.array_split(positions, cuts)]
        return parts[0] if cuts == 1 else Evaluation(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))

    def values(self, positions: NDArray[np.uint64]) -> NDArray[np.float32]:
        """float32 [B] expected scores of packed positions, on the CPU."""
        return np.asarray(self.evaluate(positions).values.cpu(), np.float32)

    @torch.inference_mode()
    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """See `LeafEvaluator`. Only the compact policy leaves the device.

        On a CPU a position's result does not depend on the positions beside it: batches smaller than `least_batch`,
        for which oneDNN takes kernels that round differently, are filled up with copies of a position.
        """
        length = len(positions)
        if 0 < length < self.least_batch:
            positions = np.concatenate([positions, np.repeat(positions[:1], self.least_batch - length, axis=0)])
        evaluation = self.evaluate(positions)
        legal = torch.from_numpy(pack_moves(moves, counts)).to(evaluation.logits.device)
        compact = legal_log_probs(evaluation.logits[:length], legal=legal, width=int(counts.max(initial=1)))
        return LegalEvaluation(compact.log_probs.cpu().numpy(), evaluation.values[:length].cpu().numpy())

    def take_version(self, loaded: int) -> int:
        """The oldest version of weights that answered since the last call; `loaded` if they are this object's own."""
        return loaded

    def for_search(self) -> LeafEvaluator | CompiledEvaluator:
        """What a search should be given: the compiled network where there is one."""
        return self

    def _forward(self, positions: NDArray[np.uint64]) -> Evaluation:
        with autocast(self.device):
            logits, value_logits = self._network.dense(positions)
        return Evaluation(logits.float(), expected_score(value_logits))


@dataclass(frozen=True)
class Kind:
    """What a folder of this package offers the registry: everything that is particular to its kind of network."""

    architecture: type[Architecture]
    network: Callable[[Any], Network]
    """A fresh network of an architecture of this kind, drawn from torch's global generator."""
    evaluator: Callable[[Any, torch.device, str], Evaluator]
    """An evaluator of a network of this kind on a device, by a runtime: `auto`, `eager` or `graphs`.

    It raises `InputError` where the runtime cannot run.
    """
    untrained: Callable[[], CompiledEvaluator] | None = None
    """The compiled network with all weights zero, for the warm-up; None: there is none."""
