"""The two networks behind one contract: residual for GPUs, sparse for CPUs."""

from collections.abc import Mapping
from typing import Final

from agent.networks.residual.network import Architecture, Network
from agent.networks.sparse.architecture import NAME as SPARSE
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork

ARCHITECTURES: Final = ("se-resnet", SPARSE)
"""Names as weights files bear them."""
AnyArchitecture = Architecture | SparseArchitecture
AnyNetwork = Network | SparseNetwork


def make_network(architecture: AnyArchitecture) -> AnyNetwork:
    """A fresh network, drawn from torch's global generator."""
    return SparseNetwork(architecture) if isinstance(architecture, SparseArchitecture) else Network(architecture)


def architecture_from_metadata(metadata: Mapping[str, str]) -> AnyArchitecture:
    """The architecture that a weights file's metadata describe.

    Raises:
        KeyError: an entry is missing.
        ValueError: the architecture is unknown, or an entry is not what it should be.
    """
    name = metadata["architecture"]
    if name == SPARSE:
        return SparseArchitecture.from_metadata(dict(metadata))
    if name != "se-resnet":
        raise ValueError(f"architecture {name!r} is unknown")
    return Architecture(blocks=int(metadata["blocks"]), channels=int(metadata["channels"]))
