"""The sparse network for players and self-play: torch's for whole vocabularies, the compiled one for searches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from agent.networks.evaluator import CompiledEvaluator, Evaluator, Kind
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.compiled import empty_parameters, evaluate, load_parameters, make_scratch
from agent.networks.sparse.network import SparseNetwork


class SparseEvaluator(Evaluator):
    """Evaluates with the sparse network on the CPU.

    Args:
        network: used as it is (not copied).
    """

    def __init__(self, network: SparseNetwork) -> None:
        super().__init__(network, "cpu")
        self.compiled = untrained(network.architecture)
        """The same network for compiled search."""
        load_parameters(self.compiled.parameters, network.state_dict())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture: arrays are copied, nothing is compiled."""
        super().load(state)
        load_parameters(self.compiled.parameters, self._network.state_dict())

    def for_search(self) -> CompiledEvaluator:
        """See `Evaluator`."""
        return self.compiled


def untrained(architecture: SparseArchitecture) -> CompiledEvaluator:
    """The compiled network with all weights zero."""
    return CompiledEvaluator(evaluate, empty_parameters(architecture), make_scratch(architecture))


def _make(network: SparseNetwork, _device: torch.device, _runtime: str) -> Evaluator:
    return SparseEvaluator(network)


KIND = Kind(SparseArchitecture, SparseNetwork, _make, untrained=lambda: untrained(SparseArchitecture()))
