"""The kinds of networks, by the names they have in settings and in weights files.

A further kind is a folder beside `residual/` and `sparse/` that offers a `Kind`, an entry of `KINDS`, and its sizes, if
it has any, in `NetworkSettings`.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

import torch
from pydantic import Field

from agent.networks.evaluator import Evaluator, Kind
from agent.networks.network import Architecture, Network
from agent.networks.residual import evaluator as residual
from agent.networks.sparse import evaluator as sparse
from agent.settings import Section

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


class NetworkSettings(Section):
    """Settings section `network`: which network, and how large. Sizes are named as the fields of its architecture."""

    kind: str = Field("residual", pattern=f"^({'|'.join(KINDS)})$", description="residual for GPUs, sparse for CPUs.")
    weights: str | None = Field(None, min_length=1, description="Begin with this file's weights; null: random ones.")
    blocks: int = Field(3, ge=0, le=80, description="Of the residual network.")
    channels: int = Field(32, ge=8, le=1024, description="Of the residual network.")
    width: int = Field(256, ge=64, le=4096, multiple_of=64, description="First layer of the sparse network.")
    hidden: int = Field(64, ge=32, le=1024, multiple_of=32, description="Second layer of the sparse network.")
    replies: bool = Field(
        False, description="Sparse: moves that leave a lone king without a reply are kinds of their own."
    )

    @property
    def architecture(self) -> Architecture:
        """The architecture that they ask for."""
        architecture = KINDS[self.kind].architecture
        return architecture(**{field.name: getattr(self, field.name) for field in fields(architecture)})
