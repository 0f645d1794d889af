"""What a residual network is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from agent.networks.network import Architecture
from agent.networks.residual.planes import PLANES


@dataclass(frozen=True)
class ResidualArchitecture(Architecture):
    """Sizes of a residual network."""

    kind: ClassVar[str] = "residual"
    blocks: int = 3
    """Residual blocks, each of two 3 x 3 convolutions."""
    channels: int = 32
    """Width of the tower."""

    def metadata(self) -> dict[str, str]:
        """See `Architecture`."""
        return {**super().metadata(), "planes": str(PLANES)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """See `Architecture`.

        Raises:
            ValueError: an entry is not what `metadata` writes, or the network reads other planes.
        """
        if metadata.get("planes") != str(PLANES):
            raise ValueError(f"it reads {metadata.get('planes')} input planes, this version has {PLANES}")
        return super().from_metadata(metadata)
