"""The sparse network for players and self-play: torch's for whole vocabularies, the compiled one for searches."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.networks.evaluator import CompiledEvaluator, Evaluator, Kind
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import SparseParameters, SparseScratch, evaluate, evaluate_all
from agent.networks.sparse.features import FEATURES, MAPS, MAX_FEATURES, PIECE_ROWS, STATE_AT, THREATS
from agent.networks.sparse.moves import MOVE_KINDS, MOVE_ROOM
from agent.networks.sparse.network import SparseNetwork
from agent.networks.sparse.vectors import aligned
from agent.rules.boundary import checked, checked_counts
from agent.vocabulary import MAX_LEGAL, SIZE


class SparseEvaluator(Evaluator):
    """Evaluates with the sparse network on the CPU.

    Args:
        network: used as it is (not copied).
    """

    def __init__(self, network: SparseNetwork) -> None:
        super().__init__(network, "cpu")
        self._sparse = network
        self.compiled = untrained(network.architecture)
        """The same network for compiled search."""
        copy_weights(network, self.compiled)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture: arrays are copied, nothing is compiled."""
        super().load(state)
        copy_weights(self._sparse, self.compiled)

    def for_search(self) -> CompiledEvaluator:
        """See `Evaluator`."""
        return self.compiled


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
    return CompiledEvaluator(evaluate, parameters, make_scratch(architecture))


def make_scratch(architecture: SparseArchitecture) -> SparseScratch:
    """Memory for one more thread that evaluates networks of `architecture`."""
    return SparseScratch(
        rows=np.zeros(max(MAX_FEATURES, architecture.width + 1), np.int32),
        maps=np.zeros(MAPS, np.uint64),
        room=np.zeros(MOVE_ROOM, np.uint64),
        kinds=np.zeros(MAX_LEGAL, np.int32),
        accumulator=aligned(architecture.width),
        hidden=aligned(architecture.hidden),
        wdl=np.zeros(3, np.float32),
    )


def copy_weights(network: SparseNetwork, compiled: CompiledEvaluator) -> None:
    """Copy the network's weights into the compiled network of the same architecture, in place."""
    parameters: SparseParameters = compiled.parameters
    for name in ("features", "hidden", "policy", "kinds", "value"):
        layer, target = getattr(network, name), getattr(parameters, name)
        target[...] = layer.weight.detach().numpy()[: len(target)]
        getattr(parameters, f"{name}_bias")[...] = layer.bias.detach().numpy()
    pieces = parameters.features[:STATE_AT].reshape(THREATS, PIECE_ROWS, -1)
    pieces += network.features.weight.detach().numpy()[FEATURES:]


def evaluate_batch(
    positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32], compiled: CompiledEvaluator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Evaluate packed positions uint64 [B, WORDS] with their `rules.legal_moves`.

    Returns:
        logits float32 [B, 218] in the order of `moves`, 0 past `counts`; win, draw, loss float32 [B, 3].

    Raises:
        ValueError: an array has another shape or dtype.
    """
    positions = checked(positions)
    batch = len(positions)
    if moves.dtype != np.uint16 or moves.shape != (batch, MAX_LEGAL):
        raise ValueError(f"moves must be uint16 [{batch}, {MAX_LEGAL}], not {moves.dtype} {list(moves.shape)}")
    counts = checked_counts(counts, batch)
    logits, wdl = np.zeros((batch, MAX_LEGAL), np.float32), np.empty((batch, 3), np.float32)
    moves = np.require(moves, None, ["C", "W"])
    evaluate_all(positions, moves, counts, compiled.parameters, compiled.scratch, logits, wdl)
    return logits, wdl


def _make(network: SparseNetwork, _device: torch.device, _runtime: str) -> Evaluator:
    return SparseEvaluator(network)


KIND = Kind(SparseArchitecture, SparseNetwork, _make, untrained=lambda: untrained(SparseArchitecture()))
