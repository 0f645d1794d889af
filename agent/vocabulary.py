"""The 1,880 moves of the policy, always seen from the side to move.

Squares are numbered a1 = 0, b1 = 1, ..., h8 = 63. For Black the board is mirrored top to bottom (square ^ 56), so a
move's index does not depend on its colour.

Layout:

- 0..1791: the from-to pairs of a queen's or a knight's move on an empty board, ordered by
  from-square, then to-square. Castling is the king's two-square move. All moves of pawns but promotions are
  here too.
- 1792..1879: promotions, 22 from-to pairs (rank 7 to rank 8: straight, or a capture to either side,
  ordered by from-square, then to-square) times queen, rook, bishop, knight, in this order.

The tables are NumPy arrays so that compiled code can close over them."""

from typing import Final

import numpy as np
from chess import SQUARE_NAMES
from numpy.typing import NDArray

SIZE: Final = 1880  # number of moves in the vocabulary
PLAIN: Final = 1792  # number of moves without promotion; the index of the first promotion
LEGAL_WORDS: Final = (SIZE + 31) // 32  # int32 words of packed legality: bit i of word w is move 32 w + i
MAX_LEGAL: Final = 218  # the most legal moves that any reachable position has
PROMOTION_PIECES: Final = "qrbn"  # order of the promotion pieces within a from-to pair


def _reaches(origin: int, target: int) -> bool:
    """Whether a queen or a knight on `origin` attacks `target` on an empty board."""
    files, ranks = abs((origin & 7) - (target & 7)), abs((origin >> 3) - (target >> 3))
    return origin != target and (files == 0 or ranks == 0 or files == ranks or {files, ranks} == {1, 2})


# (from, to, promotion) in vocabulary order; promotion is -1 or an index into PROMOTION_PIECES.
_MOVES: Final = [(origin, target, -1) for origin in range(64) for target in range(64) if _reaches(origin, target)] + [
    (origin, target, piece)
    for origin in range(48, 56)
    for target in range(56, 64)
    if abs((origin & 7) - (target & 7)) <= 1
    for piece in range(4)
]

FROM: Final[NDArray[np.uint8]] = np.array([move[0] for move in _MOVES], np.uint8)  # [1880] from-square of each move
TO: Final[NDArray[np.uint8]] = np.array([move[1] for move in _MOVES], np.uint8)  # [1880] to-square of each move
PROMOTION: Final[NDArray[np.int8]] = np.array([move[2] for move in _MOVES], np.int8)
"""[1880] -1, or the promotion piece as an index into PROMOTION_PIECES."""
INDEX: Final[NDArray[np.int16]] = np.full((64, 64), -1, np.int16)
"""[64, 64] index of the move from-to without promotion, -1 where no piece moves so."""
PROMOTION_INDEX: Final[NDArray[np.int16]] = np.full((64, 64), -1, np.int16)
"""[64, 64] index of the promotion to a queen; +1, +2, +3 are rook, bishop, knight; -1 elsewhere."""

INDEX[FROM[:PLAIN], TO[:PLAIN]] = np.arange(PLAIN)
PROMOTION_INDEX[FROM[PLAIN::4], TO[PLAIN::4]] = np.arange(PLAIN, SIZE, 4)
for _table in (FROM, TO, PROMOTION, INDEX, PROMOTION_INDEX):
    _table.setflags(write=False)

_SUFFIXES: Final = (*PROMOTION_PIECES, "")  # the last, at -1, for none
# By colour, White first.
_UCI: Final[tuple[list[str], ...]] = tuple(
    [SQUARE_NAMES[origin ^ flip] + SQUARE_NAMES[target ^ flip] + _SUFFIXES[piece] for origin, target, piece in _MOVES]
    for flip in (0, 56)
)
_FROM_UCI: Final = tuple({uci: number for number, uci in enumerate(ucis)} for ucis in _UCI)


def to_uci(index: int, *, black: bool) -> str:
    """UCI string of move `index` as played by White or Black. Raises ValueError: `index` is outside 0..1879."""
    if not 0 <= index < SIZE:
        raise ValueError(f"move index {index} is outside 0..{SIZE - 1}")
    return _UCI[bool(black)][index]


def from_uci(uci: str, *, black: bool) -> int:
    """Index of the UCI move `uci` (standard castling as e1g1) as played by White or Black. Raises ValueError: no piece
    ever moves so; the message quotes `uci`."""
    if (index := _FROM_UCI[bool(black)].get(uci)) is None:
        raise ValueError(f"{uci!r} is not a move that any {'black' if black else 'white'} piece can make")
    return index
