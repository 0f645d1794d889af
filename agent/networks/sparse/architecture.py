"""What a sparse network is made of: its settings, and where each group of features lies in the first layer.

The first layer sums one row a feature that is present; this file numbers the rows. Everything is seen
from the side to move. S = 7 threat states with `threats`, else 1; K = `king_buckets`.

| group | rows | present | row within the group |
|---|---|---|---|
| pieces | S x 12 x 64 | one a piece | (threat state x 12 + piece) x 64 + square |
| state | 24 | 1 to 9 | see below |
| own king | K x 12 x 64 | one a piece | (bucket of the own king x 12 + piece) x 64 + square |
| opponent's king | K x 12 x 64 | one a piece | likewise, by the opponent's king |
| control | 36 x 64 | one an attacked empty square | (own attacker x 6 + opponent's) x 64 + square |

State: 0..3 castling rights, 4..11 en-passant file, 12 repeated once, 13 more often, 14..21 half-move
clock in eighths of 100, 22 in check (with `threats`).
Pieces: 0..5 own pawn, knight, bishop, rook, queen, king; 6..11 the opponent's. Attacker: the least
that attacks a square: 0 none, 1 pawn, 2 knight or bishop, 3 rook, 4 queen, 5 king.
"""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

THREATS: Final = 7
"""Threat states of a piece, see `agent.networks.sparse.features.threat_state`."""
STATE_ROWS: Final = 24
SHARED: Final = 768
"""Rows 12 x 64 that all threat states share while the network learns; the evaluator's rows have them added in."""
MAX_FEATURES: Final = 352
"""More features than any record can have whose bitboards are disjoint, shared rows included."""
MOVE_KINDS: Final = 864
"""Kinds of moves, see `agent.networks.sparse.moves`."""

# Entries of `SparseArchitecture.layout`.
USES_THREATS: Final = 0
USES_CONTROL: Final = 1
USES_MOVES: Final = 2
KING_BITS: Final = 3
STATE_AT: Final = 4
OWN_KING_AT: Final = 5
OTHER_KING_AT: Final = 6
CONTROL_AT: Final = 7
PHASES: Final = 8
USES_REPLIES: Final = 9
LAYOUT: Final = 10

_KING_BITS: Final = {0: 0, 4: 1, 16: 2, 64: 3}
NAME: Final = "sparse"


@dataclass(frozen=True)
class SparseArchitecture:
    """Everything needed to build the same network again; stored with its weights.

    Raises:
        ValueError: a width the compiled evaluator cannot serve, or an unknown number of king buckets.
    """

    width: int = 256
    """Width W of the first layer, a multiple of 64."""
    hidden: int = 64
    """Width H of the second layer, which policy and value read; a multiple of 32."""
    threats: bool = True
    """Whether a piece's row depends on who attacks and who defends it; also tells of check."""
    control: bool = False
    """Whether empty squares tell who attacks them."""
    king_buckets: int = 0
    """0, 4, 16 or 64 regions of the board; pieces get further rows by either king's region."""
    moves: bool = True
    """Whether a move's logit also depends on what moves, what it takes, who guards and whether it checks."""
    phases: int = 1
    """How many tables the value has, 1..16; the number of pieces on the board chooses one."""
    replies: bool = False
    """Whether moves that leave a king that is alone without a reply are kinds of their own; nothing without `moves`."""

    def __post_init__(self) -> None:
        if self.width < 64 or self.width % 64:
            raise ValueError(f"width {self.width} is not a multiple of 64")
        if self.hidden < 32 or self.hidden % 32:
            raise ValueError(f"hidden {self.hidden} is not a multiple of 32")
        if self.king_buckets not in _KING_BITS:
            raise ValueError(f"king_buckets {self.king_buckets} is not one of {', '.join(map(str, _KING_BITS))}")
        if not 1 <= self.phases <= 16:
            raise ValueError(f"phases {self.phases} is not in 1..16")

    @property
    def features(self) -> int:
        """Rows F of the first layer as it is evaluated."""
        return int(self.layout()[CONTROL_AT]) + (36 * 64 if self.control else 0)

    @property
    def trained_features(self) -> int:
        """Rows of the first layer as it is trained: with `threats` the shared rows stand behind the others."""
        return self.features + (SHARED if self.threats else 0)

    def layout(self) -> NDArray[np.int64]:
        """int64 [LAYOUT]: switches and first rows, as compiled code reads them."""
        state = (THREATS if self.threats else 1) * 768
        own_king = state + STATE_ROWS
        other_king = own_king + 768 * self.king_buckets
        switches = [int(self.threats), int(self.control), int(self.moves), _KING_BITS[self.king_buckets]]
        control = other_king + 768 * self.king_buckets
        replies = int(self.moves and self.replies)
        return np.array([*switches, state, own_king, other_king, control, self.phases, replies], np.int64)

    def metadata(self) -> dict[str, str]:
        """As strings, for a weights file."""
        return {"architecture": NAME, **{key: str(value) for key, value in asdict(self).items()}}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "SparseArchitecture":
        """The architecture that `metadata()` described.

        Raises:
            KeyError: an entry is missing.
            ValueError: an entry is not what `metadata` writes.
        """
        truth = {"True": True, "False": False}
        numbers = {name: int(metadata[name]) for name in ("width", "hidden", "king_buckets", "phases")}
        told = {name: metadata[name] for name in ("threats", "control", "moves")}
        told["replies"] = metadata.get("replies", "False")  # files from before it do not tell
        for name, value in told.items():
            if value not in truth:
                raise ValueError(f"{name} is {value!r}, not True or False")
        return cls(
            **numbers,
            threats=truth[told["threats"]],
            control=truth[told["control"]],
            moves=truth[told["moves"]],
            replies=truth[told["replies"]],
        )
