"""What a residual network is made of."""

from dataclasses import dataclass
from typing import ClassVar

from agent.networks.network import Architecture


@dataclass(frozen=True)
class ResidualArchitecture(Architecture):
    """Sizes of a residual network."""

    kind: ClassVar[str] = "residual"
    blocks: int = 3
    """Residual blocks, each of two 3 x 3 convolutions."""
    channels: int = 32
    """Width of the tower."""
