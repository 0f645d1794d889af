"""The kinds of networks, by the names they have in settings and in weights files.

A further kind is a folder beside `residual/` and `sparse/` that offers a `Kind`, an entry of `KINDS`, and its sizes, if
it has any, in `NetworkSettings`.
"""

from collections.abc import Mapping
from typing import Final

import torch

from agent.networks.evaluator import Evaluator, Kind
from agent.networks.network import Architecture, Network
from agent.networks.residual import evaluator as residual
from agent.networks.sparse import evaluator as sparse

KINDS: Final[Mapping[str, Kind]] = {kind.architecture.kind: kind for kind in (residual.KIND, sparse.KIND)}


def make_network(architecture: Architecture) -> Network:
    """A fresh network, drawn from torch's global generator."""
    return KINDS[architecture.kind].network(architecture)


def make_evaluator(network: Network, device: torch.device | str = "cpu", *, runtime: str = "auto") -> Evaluator:
    """The evaluator for `network`, which is not copied; a sparse one stays on the CPU.

    `runtime` is that of a residual one: `eager`, `graphs` (CUDA only) or `auto`, the fastest that the device has.

    Raises:
        InputError: the runtime does not run on the device.
    """
    return KINDS[network.architecture.kind].evaluator(network, torch.device(device), runtime)
