"""The evaluator that fits a network, and the face that search sees of it."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.compilation import on_warm_up
from agent.networks.evaluator import Evaluation, Evaluator
from agent.networks.registry import AnyNetwork
from agent.networks.residual.network import expected_score
from agent.networks.residual.runtimes import AUTO, choose, make_runtime
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.evaluator import empty_parameters, evaluate, load_parameters, make_scratch
from agent.networks.sparse.network import SparseNetwork
from agent.rules import Games
from agent.search import CompiledEvaluator, GumbelSearch, LeafEvaluator, NetworkLeaves, SearchSettings


class SparseEvaluator(Evaluator):
    """Evaluates with the sparse network on the CPU; `compiled` is the same network inside compiled search.

    Args:
        network: used as it is (not copied).
    """

    def __init__(self, network: SparseNetwork) -> None:
        super().__init__(network, "cpu")
        self.reads_planes = False
        self._sparse = network
        parameters = empty_parameters(network.architecture)
        load_parameters(parameters, _arrays(network.state_dict()))
        self.compiled = CompiledEvaluator(evaluate, parameters, make_scratch(network.architecture))

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture: arrays are copied, nothing is compiled."""
        super().load(state)
        load_parameters(self.compiled.parameters, _arrays(state))

    def _forward(self, positions: NDArray[np.uint64]) -> Evaluation:
        logits, value_logits = self._sparse.dense(positions)
        return Evaluation(logits, expected_score(value_logits))


def make_evaluator(
    network: AnyNetwork, device: torch.device | str = "cpu", *, runtime: str = AUTO, reduced: bool = False
) -> Evaluator:
    """The evaluator for `network`.

    Args:
        network: a sparse one stays on the CPU, where it is at home; see the evaluators for whether it is copied.
        device: where a residual one is evaluated.
        runtime: of a residual one, see `agent.networks.residual.runtimes`; `auto` takes the fastest.
        reduced: whether `auto` may take bfloat16 on a CPU: yes for search, no where log-probabilities are recorded.

    Raises:
        InputError: the runtime is unknown or does not run here.
    """
    if isinstance(network, SparseNetwork):
        return SparseEvaluator(network)
    where = torch.device(device)
    return make_runtime(choose(network, where, reduced=reduced) if runtime == AUTO else runtime, network, where)


def for_search(evaluator: Evaluator) -> LeafEvaluator | CompiledEvaluator:
    """What a search should be given: the compiled network where there is one."""
    return evaluator.compiled if isinstance(evaluator, SparseEvaluator) else NetworkLeaves(evaluator)


@on_warm_up
def _exercise() -> None:
    architecture = SparseArchitecture()
    network = CompiledEvaluator(evaluate, empty_parameters(architecture), make_scratch(architecture))
    GumbelSearch(SearchSettings(simulations=2), network).run(Games(1))


def _arrays(state: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
