"""Which of the eight words of a packed position holds what; see `record`."""

from typing import Final

WORDS: Final = 8  # uint64 words of a packed position
PAWNS: Final = 0
KNIGHTS: Final = 1
BISHOPS: Final = 2
ROOKS: Final = 3
QUEENS: Final = 4
KINGS: Final = 5
OWN: Final = 6
STATE: Final = 7
PIECE_VALUES: Final = (1, 3, 3, 5, 9)  # material in pawns, by the word of the piece: pawn, knight, bishop, rook, queen
