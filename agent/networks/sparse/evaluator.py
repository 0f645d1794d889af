"""The sparse network for players and self-play: torch's for whole vocabularies, the compiled one for searches."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agent.networks.evaluator import CompiledEvaluator, Evaluator, Kind, LegalEvaluation
from agent.networks.sparse.compiled import SparseParameters, SparseScratch, evaluate, evaluate_all
from agent.networks.sparse.features import FEATURES, MAPS, MAX_FEATURES, PIECE_ROWS, STATE_AT, THREATS
from agent.networks.sparse.moves import MOVE_KINDS, MOVE_ROOM
from agent.networks.sparse.network import SparseArchitecture, SparseNetwork
from agent.networks.sparse.vectors import aligned
from agent.rules.boundary import checked, checked_counts
from agent.vocabulary import MAX_LEGAL, SIZE


class SparseEvaluator(Evaluator):
    """Evaluates with the network, not a copy, on the CPU: legal moves compiled, the whole vocabulary by torch."""

    def __init__(self, network: SparseNetwork) -> None:
        super().__init__(network, "cpu")
        self._sparse = network
        self.compiled = untrained(network.architecture)
        """The same network for compiled code."""
        self._copy_weights()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture: arrays are copied, nothing is compiled."""
        super().load(state)
        self._copy_weights()

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """See `LeafEvaluator`; logits are not normalised, and 0 past a position's moves.

        Raises:
            ValueError: an array has another shape or dtype.
        """
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

    def _copy_weights(self) -> None:
        """In place: no array of the compiled network is exchanged."""
        parameters: SparseParameters = self.compiled.parameters
        for name in ("features", "hidden", "policy", "kinds", "value"):
            layer, target = getattr(self._sparse, name), getattr(parameters, name)
            target[...] = layer.weight.detach().numpy()[: len(target)]
            getattr(parameters, f"{name}_bias")[...] = layer.bias.detach().numpy()
        pieces = parameters.features[:STATE_AT].reshape(THREATS, PIECE_ROWS, -1)
        pieces += self._sparse.features.weight.detach().numpy()[FEATURES:]


def untrained(architecture: SparseArchitecture) -> CompiledEvaluator:
    """The compiled network with all weights zero."""
    width, hidden = architecture.width, architecture.hidden
    parameters = SparseParameters(
        features=aligned(FEATURES, width),
        features_bias=aligned(width),
        hidden=aligned(width, hidden),
        hidden_bias=aligned(hidden),
        policy=aligned(SIZE, hidden),
        policy_bias=aligned(SIZE),
        kinds=aligned(MOVE_KINDS, hidden),
        kinds_bias=aligned(MOVE_KINDS),
        value=aligned(3, hidden),
        value_bias=aligned(3),
        replies=architecture.replies,
    )
    scratch = SparseScratch(
        rows=np.zeros(max(MAX_FEATURES, width + 1), np.int32),
        maps=np.zeros(MAPS, np.uint64),
        room=np.zeros(MOVE_ROOM, np.uint64),
        kinds=np.zeros(MAX_LEGAL, np.int32),
        accumulator=aligned(width),
        hidden=aligned(hidden),
        wdl=np.zeros(3, np.float32),
    )
    return CompiledEvaluator(evaluate, parameters, scratch)


KIND = Kind(
    SparseArchitecture,
    SparseNetwork,
    lambda network, _device, _runtime: SparseEvaluator(network),
    untrained=lambda: untrained(SparseArchitecture()),
)
