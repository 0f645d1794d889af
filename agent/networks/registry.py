"""The kinds of networks, by the names they have in settings and in weights files. Light: no torch. A further kind is a
folder beside `residual/` and `sparse/` with an `Architecture`; an entry of `KINDS`; and its sizes, if it has any, in
`agent.networks.settings`."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from agent.compilation import on_warm_up
from agent.networks.contract import Architecture

if TYPE_CHECKING:
    import torch

    from agent.networks.evaluator import Evaluator
    from agent.networks.network import Network

KINDS: Final[Mapping[str, str]] = {
    "residual": "agent.networks.residual.network.ResidualArchitecture",
    "sparse": "agent.networks.sparse.architecture.SparseArchitecture",
}
"""Each kind's architecture, imported when it is asked for: that of the residual one needs torch."""


def architecture_of(kind: str) -> type[Architecture]:
    """The architectures of a kind, which is one of `KINDS`."""
    module, _, name = KINDS[kind].rpartition(".")
    return cast("type[Architecture]", getattr(import_module(module), name))


def make_network(architecture: Architecture) -> "Network":
    """A fresh network, drawn from torch's global generator."""
    return cast("Network", import_module(architecture.parts).make_network(architecture))


def make_evaluator(network: "Network", device: "torch.device | str" = "cpu", *, runtime: str = "auto") -> "Evaluator":
    """The evaluator for `network`, which is not copied; a sparse one stays on the CPU. `runtime` is that of a residual
    one: `eager`, `graphs` (CUDA only) or `auto`, the fastest that the device has. An InputError where the runtime does
    not run on the device."""
    import torch

    make = import_module(network.architecture.parts).make_evaluator
    return cast("Evaluator", make(network, torch.device(device), runtime))


@on_warm_up
def _exercise() -> None:
    """Parts in torch have exercises of their own, which follow this one once they are imported."""
    for kind in KINDS:
        import_module(architecture_of(kind).parts)
