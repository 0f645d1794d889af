"""The sparse network for players and self-play: torch's for whole vocabularies, the compiled one for searches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from agent.networks.evaluator import CompiledEvaluator, Evaluator, Kind
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import copy_weights, untrained
from agent.networks.sparse.network import SparseNetwork


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


def _make(network: SparseNetwork, _device: torch.device, _runtime: str) -> Evaluator:
    return SparseEvaluator(network)


KIND = Kind(SparseArchitecture, SparseNetwork, _make, untrained=lambda: untrained(SparseArchitecture()))
