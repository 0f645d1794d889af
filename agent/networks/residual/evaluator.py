"""The residual network for players and self-play, on one of two runtimes.

| runtime | what it is | where |
|---|---|---|
| `eager` | torch as it comes; bfloat16 autocast on CUDA | everywhere |
| `graphs` | bfloat16 in CUDA graphs with pinned staging | CUDA |
"""

import torch

from agent.errors import InputError
from agent.networks.evaluator import Evaluator, Kind
from agent.networks.residual.architecture import ResidualArchitecture
from agent.networks.residual.graphs import GraphEvaluator
from agent.networks.residual.network import ResidualNetwork


def check_runtime(runtime: str, device: torch.device) -> None:
    """Refuse a runtime that does not run on `device`.

    Raises:
        InputError: it is `graphs` without CUDA.
    """
    if runtime == "graphs" and device.type != "cuda":
        raise InputError("inference.runtime=graphs needs a CUDA device; use auto or eager")


def make_evaluator(network: ResidualNetwork, device: torch.device, runtime: str) -> Evaluator:
    """The network on a runtime; `auto` is `graphs` on CUDA, `eager` on the CPU.

    Raises:
        InputError: see `check_runtime`.
    """
    check_runtime(runtime, device)
    if runtime == "graphs" or (runtime == "auto" and device.type == "cuda"):
        return GraphEvaluator(network, device)
    return Evaluator(network, device)


KIND = Kind(ResidualArchitecture, ResidualNetwork, make_evaluator)
