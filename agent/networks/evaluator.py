"""Packed positions in, policy logits and values out: how players, searches and self-play use a network. Shapes: B
positions, L positions whose legal moves are given, K at least the largest number of legal moves among them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.networks.contract import CompiledEvaluator, Counts, LeafEvaluator, LegalEvaluation, Moves, Positions
from agent.networks.network import Network, autocast, expected_score, sent
from agent.rules import pack_moves
from agent.vocabulary import SIZE
from kernels import legal_log_probs


class Evaluation(NamedTuple):
    """What the network says about B positions and all moves of the vocabulary."""

    logits: Tensor  # float32 [B, 1880], unmasked
    values: Tensor  # float32 [B], expected score -1..1 for the side to move


class Evaluator(LeafEvaluator):
    """Evaluates packed positions with `network`, not a copy, on one device, at most `batch_size` at once. This is torch
    as it comes, for any network: in half precision on CUDA, float32 on the CPU. Other runtimes of a network are
    subclasses."""

    def __init__(self, network: Network, device: torch.device | str = "cpu", batch_size: int = 512) -> None:
        self.device, self.batch_size = torch.device(device), batch_size
        self.overlaps = self.device.type == "cuda"
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

    def evaluate_legal(self, positions: Positions, moves: Moves, counts: Counts) -> LegalEvaluation:
        """See `LeafEvaluator`. Only the compact policy leaves the device. On a CPU a position's result does not depend
        on the positions beside it: batches smaller than `least_batch`, for which oneDNN takes kernels that round
        differently, are filled up with copies of a position."""
        return self._launch(positions, moves, counts)()

    def ask_legal(self, positions: Positions, moves: Moves, counts: Counts) -> Callable[[], LegalEvaluation]:
        """See `LeafEvaluator`; a GPU works meanwhile."""
        launch = self._launch if self.overlaps else super().ask_legal
        return launch(positions, moves, counts)

    @torch.inference_mode()
    def _launch(self, positions: Positions, moves: Moves, counts: Counts) -> Callable[[], LegalEvaluation]:
        length = len(positions)
        if 0 < length < self.least_batch:
            positions = np.concatenate([positions, np.repeat(positions[:1], self.least_batch - length, axis=0)])
        evaluation = self.evaluate(positions)
        legal = sent(pack_moves(moves, counts), self.device)
        compact = legal_log_probs(evaluation.logits[:length], legal=legal, width=int(counts.max(initial=1)))
        results = compact.log_probs, evaluation.values[:length]
        log_probs, values = (result.to("cpu", non_blocking=True) for result in results)
        copied = torch.cuda.Event() if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        if copied is not None:
            copied.record(torch.cuda.current_stream(self.device))

        def wait() -> LegalEvaluation:
            if copied is not None:
                copied.synchronize()
            return LegalEvaluation(log_probs.numpy(), values.numpy())

        return wait

    def for_search(self) -> LeafEvaluator | CompiledEvaluator:
        """What a search should be given: the compiled network where there is one."""
        return self

    def _forward(self, positions: NDArray[np.uint64]) -> Evaluation:
        with autocast(self.device):
            logits, value_logits = self._network.dense(positions)
        return Evaluation(logits.float(), expected_score(value_logits))
