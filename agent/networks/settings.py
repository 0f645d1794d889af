"""Settings section `network`."""

from dataclasses import fields

from pydantic import Field

from agent.networks.contract import Architecture
from agent.networks.registry import KINDS, architecture_of
from agent.settings import PathText, Section


class NetworkSettings(Section):
    """Which network, and how large. Sizes are named as the fields of its architecture."""

    kind: str = Field("residual", pattern=f"^({'|'.join(KINDS)})$", description="residual for GPUs, sparse for CPUs.")
    weights: PathText | None = Field(
        None, pattern=r"^[^\x00]+$", description="Begin with this file's weights; null: random ones."
    )
    blocks: int = Field(3, ge=0, le=80, description="Of the residual network.")
    channels: int = Field(32, ge=8, le=1024, description="Of the residual network.")
    width: int = Field(256, ge=64, le=4096, multiple_of=64, description="First layer of the sparse network.")
    hidden: int = Field(64, ge=32, le=1024, multiple_of=32, description="Second layer of the sparse network.")

    @property
    def architecture(self) -> Architecture:
        """The architecture that they ask for."""
        architecture = architecture_of(self.kind)
        return architecture(**{field.name: getattr(self, field.name) for field in fields(architecture)})
