"""The sparse network for players and self-play: torch's for whole vocabularies, the compiled one for searches."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agent.networks.contract import CompiledEvaluator, LegalEvaluation
from agent.networks.evaluator import Evaluator
from agent.networks.sparse.architecture import fill
from agent.networks.sparse.compiled import evaluate_all
from agent.networks.sparse.network import SparseNetwork
from agent.networks.sparse.vectors import Floats
from agent.rules.layout import checked, checked_counts
from agent.vocabulary import MAX_LEGAL


class SparseEvaluator(Evaluator):
    """Evaluates with the network, not a copy, on the CPU: legal moves compiled, the whole vocabulary by torch."""

    def __init__(self, network: SparseNetwork) -> None:
        super().__init__(network, "cpu")
        self._sparse = network
        self.compiled = network.architecture.compiled(self._arrays())  # the same network for compiled code

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture: arrays are copied, nothing is compiled."""
        super().load(state)
        fill(self.compiled.parameters, self._arrays())

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """See `LeafEvaluator`; logits are not normalised, and 0 past a position's moves. A ValueError where an array
        has another shape or dtype."""
        positions, counts = checked(positions), checked_counts(counts, len(positions))
        if moves.dtype != np.uint16 or moves.ndim != 2 or len(moves) != len(positions):
            raise ValueError(f"moves must be uint16 [{len(positions)}, 224], not {moves.dtype} {list(moves.shape)}")
        if counts.max(initial=0) > min(moves.shape[1], MAX_LEGAL):
            raise ValueError(f"{counts.max()} legal moves in {moves.shape[1]} columns, at most {MAX_LEGAL} exist")
        logits, values = np.zeros(moves.shape, np.float32), np.empty(len(positions), np.float32)
        moves = np.require(moves, None, ["C", "W"])
        evaluate_all(positions, moves, counts, self.compiled.parameters, self.compiled.scratch, logits, values)
        return LegalEvaluation(logits, values)

    def for_search(self) -> CompiledEvaluator:
        """See `Evaluator`."""
        return self.compiled

    def _arrays(self) -> dict[str, Floats]:
        return {name: tensor.detach().numpy() for name, tensor in self._sparse.state_dict().items()}


make_network = SparseNetwork


def make_evaluator(network: SparseNetwork, _device: object, _runtime: str) -> SparseEvaluator:
    """The evaluator; it stays on the CPU."""
    return SparseEvaluator(network)
