"""What a sparse network is made of: its sizes, and where each group of features lies in the first layer.

The first layer sums one row a feature that is present; this file numbers the rows. Everything is seen
from the side to move.

| group | rows | present | row within the group |
|---|---|---|---|
| pieces | 7 x 12 x 64 | one a piece | (threat state x 12 + piece) x 64 + square |
| state | 24 | 1 to 8 | see below |

Pieces: 0..5 own pawn, knight, bishop, rook, queen, king; 6..11 the opponent's.
State: 0..3 castling rights, 4..11 en-passant file, 12 repeated once, 13 more often, 14..21 half-move
clock in eighths of 100, 22 in check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

from agent.networks.network import Architecture

PIECE_ROWS: Final = 768
"""Rows 12 x 64 of one threat state. As many more are shared by all threat states while the network learns; the
evaluator's rows have them added in."""
THREATS: Final = 7
"""Threat states of a piece, see `agent.networks.sparse.features.threat_state`."""
STATE_AT: Final = THREATS * PIECE_ROWS
"""First row of the state."""
FEATURES: Final = STATE_AT + 24
"""Rows F of the first layer as it is evaluated; the shared rows stand behind them as it is trained."""
MAX_FEATURES: Final = 144
"""More features than any record can have whose bitboards are disjoint, shared rows included."""
MOVE_KINDS: Final = 864
"""Kinds of moves, see `agent.networks.sparse.moves`."""

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
