"""What a sparse network is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

from agent.networks.network import Architecture

_FIXED: Final = {"threats": "True", "moves": "True", "control": "False", "king_buckets": "0", "phases": "1"}
"""What weights files of older versions say of features that were settings then, with the values that are fixed now."""


@dataclass(frozen=True)
class SparseArchitecture(Architecture):
    """Sizes of a sparse network, and how it tells moves apart.

    Raises:
        ValueError: a width that the compiled evaluator cannot serve.
    """

    kind: ClassVar[str] = "sparse"
    width: int = 256
    """Width W of the first layer, a multiple of 64."""
    hidden: int = 64
    """Width H of the second layer, which policy and value read; a multiple of 32."""
    replies: bool = False
    """Whether moves that leave a lone king without a reply are kinds of their own."""

    def __post_init__(self) -> None:
        if self.width < 64 or self.width % 64:
            raise ValueError(f"width {self.width} is not a multiple of 64")
        if self.hidden < 32 or self.hidden % 32:
            raise ValueError(f"hidden {self.hidden} is not a multiple of 32")

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """See `Architecture`.

        Raises:
            ValueError: an entry is not what `metadata` writes, or a feature is not as this version has it.
        """
        for name, value in _FIXED.items():
            if metadata.get(name, value) != value:
                raise ValueError(f"sparse networks with {name}={metadata[name]} are no longer supported")
        return super().from_metadata(metadata)

    def continues(self, before: Architecture) -> bool:
        """See `Architecture`. With `replies` two kinds of moves begin to occur; the weights have the same shapes."""
        return before in (self, replace(self, replies=False))
