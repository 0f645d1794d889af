"""The kinds of networks, by the names they have in settings and in weights files. Light: no torch.

A further kind is a folder beside `residual/` and `sparse/` with a module that offers `KIND`; an entry of
`KINDS`; and its sizes, if it has any, in `NetworkSettings` of `agent.networks.settings`.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import on_warm_up
from agent.networks.contract import Architecture, CompiledEvaluator

if TYPE_CHECKING:
    import torch

    from agent.networks.evaluator import Evaluator
    from agent.networks.network import Network

KINDS: Final[Mapping[str, str]] = {
    "residual": "agent.networks.residual.evaluator",
    "sparse": "agent.networks.sparse.kind",
}
"""The module of each kind, imported when the kind is asked for: that of the residual one needs torch."""


class Kind(NamedTuple):
    """What a folder of this package offers the registry: everything that is particular to its kind of network."""

    architecture: type[Architecture]
    parts: str
    """Module of its parts in torch: `make_network(architecture)`, drawn from torch's global generator, and
    `make_evaluator(network, device, runtime)`, which raises `InputError` where the runtime cannot run."""
    compiled: Callable[[Any, Mapping[str, NDArray[np.float32]] | None], CompiledEvaluator] | None = None
    """The compiled network of an architecture with these weights, named as in the network's `state_dict`, or with zeros
    for the warm-up. It raises ValueError where they do not fit. None: this kind has no compiled network."""


def kind_of(name: str) -> Kind:
    """The kind of this name, which is one of `KINDS`."""
    kind: Kind = import_module(KINDS[name]).KIND
    return kind


def make_network(architecture: Architecture) -> "Network":
    """A fresh network, drawn from torch's global generator."""
    network: Network = import_module(kind_of(architecture.kind).parts).make_network(architecture)
    return network


def make_evaluator(network: "Network", device: "torch.device | str" = "cpu", *, runtime: str = "auto") -> "Evaluator":
    """The evaluator for `network`, which is not copied; a sparse one stays on the CPU.

    `runtime` is that of a residual one: `eager`, `graphs` (CUDA only) or `auto`, the fastest that the device has.

    Raises:
        InputError: the runtime does not run on the device.
    """
    import torch

    make = import_module(kind_of(network.architecture.kind).parts).make_evaluator
    evaluator: Evaluator = make(network, torch.device(device), runtime)
    return evaluator


@on_warm_up
def _exercise() -> None:
    """The parts in torch have exercises of their own, which follow this one once they are imported."""
    for name in KINDS:
        import_module(kind_of(name).parts)
