"""The packed position: eight 64-bit words, always seen from the side to move.

Own pieces move up the board: where Black is to move, the board is turned top to bottom and the colours change places.
Two positions are the same words exactly when they are the same position with the same clocks and the same number of
earlier occurrences.

| word  | what |
|-------|------|
| 0..5  | bitboards of pawns, knights, bishops, rooks, queens, kings, of both sides |
| 6     | bitboard of the pieces of the side to move |
| 7     | state, by bits: |
| 0..3  | castling rights: own king side, own queen side, opponent's king side, opponent's queen side |
| 4     | 1 = Black is to move |
| 5..7  | zero |
| 8..15 | files on which an en-passant capture is legal now (one bit or none; the square is on rank 6) |
| 16..23 | repetitions: how often this position stood on the board earlier in its game, at most 4 |
| 24..39 | half-move clock: plies since the last capture or pawn move |
| 40..63 | full-move number |

An en-passant square is kept only while some en-passant capture is legal, as FIDE and python-chess compare positions.
Clocks stop at their highest value rather than overflow.

Two positions repeat each other when pieces, side to move, castling rights and legal en-passant captures are the same.
The repetition key hashes exactly the words that hold these, so nothing has to be updated move by move."""

from typing import Final

import numpy as np

from agent.compilation import inlined
from agent.rules.bits import NOTHING, Words, u64
from agent.rules.layout import STATE
from kernels.splitmix import mix

OWN_KING_SIDE: Final = u64(1)
OWN_QUEEN_SIDE: Final = u64(2)
CASTLING: Final = u64(15)
BLACK: Final = u64(16)
EN_PASSANT_SHIFT: Final = u64(8)
REPETITIONS_SHIFT: Final = u64(16)
HALFMOVE_SHIFT: Final = u64(24)
FULLMOVE_SHIFT: Final = u64(40)
BYTE: Final = u64(0xFF)
IDENTITY: Final = u64(0xFF1F)
"""The bits of the state that make two positions the same for repetition: rights, side, en passant."""

MAX_REPETITIONS: Final = u64(4)
MAX_HALFMOVE: Final = u64(0xFFFF)
MAX_FULLMOVE: Final = u64(0xFFFFFF)

_FACTORS: Final = mix(np.arange(8)).view(np.uint64) | u64(1)  # [8] of the repetition key: odd, otherwise random
_FACTORS.setflags(write=False)
_MIX: Final = u64(0xFF51AFD7ED558CCD)


@inlined
def occupied(position: Words) -> np.uint64:
    """All pieces."""
    return u64(position[0] | position[1] | position[2] | position[3] | position[4] | position[5])


@inlined
def en_passant_bit(state: np.uint64) -> np.uint64:
    """The square behind a pawn that can be captured en passant now, or an empty board."""
    return ((state >> EN_PASSANT_SHIFT) & BYTE) << u64(40)


@inlined
def repetitions(state: np.uint64) -> np.uint64:
    """How often the position occurred earlier in its game, at most 4."""
    return (state >> REPETITIONS_SHIFT) & BYTE


@inlined
def with_repetitions(state: np.uint64, count: np.uint64) -> np.uint64:
    """`state` with `count` (at most 4) earlier occurrences."""
    return (state & ~(BYTE << REPETITIONS_SHIFT)) | (count << REPETITIONS_SHIFT)


@inlined
def halfmove_clock(state: np.uint64) -> np.uint64:
    """Plies since the last capture or pawn move."""
    return (state >> HALFMOVE_SHIFT) & MAX_HALFMOVE


@inlined
def next_state(state: np.uint64, castling: np.uint64, en_passant: np.uint64, zeroing: bool) -> np.uint64:
    """State after a ply, from the other side: `castling` and the en-passant files as that side sees them."""
    black = state & BLACK
    clock = halfmove_clock(state)
    clock = u64(0) if zeroing else clock + u64(clock < MAX_HALFMOVE)
    number = state >> FULLMOVE_SHIFT
    number += u64((black != u64(0)) & (number < MAX_FULLMOVE))
    fields = castling | (black ^ BLACK) | (en_passant << EN_PASSANT_SHIFT)
    return fields | (clock << HALFMOVE_SHIFT) | (number << FULLMOVE_SHIFT)


@inlined
def swap_sides(castling: np.uint64) -> np.uint64:
    """Castling rights as the other side sees them."""
    return ((castling >> u64(2)) | (castling << u64(2))) & CASTLING


@inlined
def repetition_key(position: Words) -> np.uint64:
    """Hash of the position without clocks and repetitions: the sum of one permutation a word."""
    key = NOTHING
    for word in range(8):
        value = position[word] & IDENTITY if word == STATE else position[word]
        value = (value + _FACTORS[word]) * _FACTORS[word]
        value = (value ^ (value >> u64(32))) * _MIX
        key += (value ^ (value >> u64(29))) * _FACTORS[7 - word]
    return key ^ (key >> u64(32))


@inlined
def count_repetitions(key: np.uint64, keys: Words, game: np.int64, length: np.int64) -> np.uint64:
    """How often `key`, after the `length` positions `keys[game]` of a game, occurred in them; at most 4.

    Only every second position has the same side to move, and the nearest that can return to is four plies back."""
    count = NOTHING
    for earlier in range(length - 4, -1, -2):
        if keys[game, earlier] == key:
            count += u64(1)
            if count == MAX_REPETITIONS:
                break
    return count
