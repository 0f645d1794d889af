"""Which features of a sparse network a position has, found in its bitboards; see `agent.networks.sparse.architecture`.

Attackers of all squares at once are kept as three bitboards a side, the bits of a number 0..5 a square
(none, pawn, minor piece, rook, queen, king: the least that attacks), so that one square costs three shifts.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.networks.sparse.architecture import (
    CONTROL_AT,
    KING_BITS,
    OTHER_KING_AT,
    OWN_KING_AT,
    PHASES,
    STATE_AT,
    USES_CONTROL,
    USES_MOVES,
    USES_THREATS,
)
from agent.rules.attacks import (
    KING,
    bishop_attacks,
    knights_attacks,
    pawns_attacks_down,
    pawns_attacks_up,
    rook_attacks,
)
from agent.rules.bits import NOTHING, ONE, Words, lowest, popcount, u64
from agent.rules.record import (
    BISHOPS,
    BYTE,
    EN_PASSANT_SHIFT,
    KINGS,
    KNIGHTS,
    OWN,
    PAWNS,
    QUEENS,
    ROOKS,
    STATE,
    halfmove_clock,
    occupied,
    repetitions,
)

MAPS: Final = 6
"""Bitboards that `attack_maps` writes: bits 0, 1, 2 of the own attackers, then of the opponent's."""
_RANKS: Final = (1, 2, 2, 3, 4, 5)  # of pawn, knight, bishop, rook, queen, king among attackers


def threat_state(rank: int, attacker: int, defended: bool) -> int:
    """Threat state 0..6 of a piece.

    Args:
        rank: of the piece as an attacker, 1..5.
        attacker: the least of the other side that attacks it, 0..5.
        defended: whether a piece of its own side would take back.

    Returns:
        not attacked: 0 undefended, 1 defended; attacked by a lesser piece: 2 undefended, 3 defended;
        attacked by its like or a greater one: 4 undefended, 5 defended (by its like), 6 defended (greater).
    """
    if attacker == 0:
        return int(defended)
    if attacker < rank:
        return 2 + int(defended)
    if not defended:
        return 4
    return 5 if attacker == rank else 6


def _threat_table() -> NDArray[np.int64]:
    """[6, 6, 6] first row of a piece of each kind, by the least attacker and the least defender."""
    table = np.zeros((6, 6, 6), np.int64)
    for kind in range(6):
        for attacker in range(6):
            for defender in range(6):
                table[kind, attacker, defender] = 768 * threat_state(_RANKS[kind], attacker, defender > 0)
    table.setflags(write=False)
    return table


_THREAT_ROW: Final = _threat_table()


@njit
def _side_maps(position: Words, side: np.uint64, pawns: np.uint64, maps: Words, at: int) -> None:
    """Write the three bitboards of one side's attackers to `maps[at:]`; `pawns` are its pawns' attacks."""
    everyone = occupied(position)
    minors = knights_attacks(position[KNIGHTS] & side)
    pieces = position[BISHOPS] & side
    while pieces:
        minors |= bishop_attacks(lowest(pieces), everyone)
        pieces &= pieces - ONE
    rooks = NOTHING
    pieces = position[ROOKS] & side
    while pieces:
        rooks |= rook_attacks(lowest(pieces), everyone)
        pieces &= pieces - ONE
    queens = NOTHING
    pieces = position[QUEENS] & side
    while pieces:
        square = lowest(pieces)
        queens |= rook_attacks(square, everyone) | bishop_attacks(square, everyone)
        pieces &= pieces - ONE
    king = KING[lowest(position[KINGS] & side) & u64(63)]
    minors &= ~pawns
    rooks &= ~(pawns | minors)
    queens &= ~(pawns | minors | rooks)
    king &= ~(pawns | minors | rooks | queens)
    maps[at] = pawns | rooks | king
    maps[at + 1] = minors | rooks
    maps[at + 2] = queens | king


@njit
def attack_maps(position: Words, maps: Words) -> None:
    """Write who attacks every square to `maps` [MAPS]."""
    own = position[OWN]
    other = occupied(position) & ~own
    _side_maps(position, own, pawns_attacks_up(position[PAWNS] & own), maps, 0)
    _side_maps(position, other, pawns_attacks_down(position[PAWNS] & other), maps, 3)


@njit
def attacker(maps: Words, at: int, square: np.uint64) -> np.int64:
    """The least attacker 0..5 of `square`: own with `at` 0, the opponent's with `at` 3."""
    return np.int64(
        ((maps[at] >> square) & ONE)
        | (((maps[at + 1] >> square) & ONE) << u64(1))
        | (((maps[at + 2] >> square) & ONE) << u64(2))
    )


@njit
def _king_bucket(king: np.uint64, bits: np.int64) -> np.int64:
    square = np.int64(king & u64(63))
    drop = 3 - bits
    return ((square >> 3 >> drop) << bits) | ((square & 7) >> drop)


@njit
def phase_of(position: Words, layout: NDArray[np.int64]) -> np.int64:
    """Which of the value's tables speaks about `position`: 0 for bare kings, rising with the number of pieces."""
    pieces = (popcount(occupied(position)) - ONE) & u64(31)
    return np.int64((pieces * u64(layout[PHASES])) >> u64(5))


@njit
def active_features(position: Words, layout: NDArray[np.int64], maps: Words, rows: NDArray[np.int32]) -> np.int64:
    """Write the features of `position` to `rows` [MAX_FEATURES]; return their number.

    `layout` is the architecture's. With `threats`, `control` or `moves`, `maps` [MAPS] is written too.
    """
    own = position[OWN]
    everyone = occupied(position)
    threats = layout[USES_THREATS] != 0
    control = layout[USES_CONTROL] != 0
    if threats or control or layout[USES_MOVES] != 0:
        attack_maps(position, maps)
    count = np.int64(0)
    for kind in range(6):
        for side in range(2):
            pieces = position[kind] & (own if side == 0 else ~own)
            row = 64 * (kind + 6 * side)
            while pieces:
                square = lowest(pieces)
                threat = np.int64(0)
                if threats:
                    threat = _THREAT_ROW[kind, attacker(maps, 3 - 3 * side, square), attacker(maps, 3 * side, square)]
                rows[count] = row + threat + np.int64(square)
                count += 1
                pieces &= pieces - ONE

    bits = np.int64(layout[KING_BITS])
    if bits:
        own_king = layout[OWN_KING_AT] + 768 * _king_bucket(lowest(position[KINGS] & own), bits)
        other_king = layout[OTHER_KING_AT] + 768 * _king_bucket(lowest(position[KINGS] & ~own), bits)
        number = count
        for i in range(number):
            piece = rows[i] % 768
            rows[number + i] = own_king + piece
            rows[2 * number + i] = other_king + piece
        count = 3 * number

    at = layout[STATE_AT]
    state = position[STATE]
    for right in range(4):
        rows[count] = at + right
        count += np.int64((state >> u64(right)) & ONE)
    file = (state >> EN_PASSANT_SHIFT) & BYTE
    if file:
        rows[count] = at + 4 + np.int64(lowest(file) & u64(7))
        count += 1
    occurred = repetitions(state)
    if occurred:
        rows[count] = at + (12 if occurred == u64(1) else 13)
        count += 1
    rows[count] = at + 14 + min(np.int64(halfmove_clock(state)) * 8 // 100, 7)
    count += 1
    if threats:
        rows[count] = at + 22
        count += np.int64(attacker(maps, 3, lowest(position[KINGS] & own) & u64(63)) != 0)

    if control:
        at = layout[CONTROL_AT]
        squares = (maps[0] | maps[1] | maps[2] | maps[3] | maps[4] | maps[5]) & ~everyone
        while squares:
            square = lowest(squares)
            pair = 6 * attacker(maps, 0, square) + attacker(maps, 3, square)
            rows[count] = at + 64 * pair + np.int64(square)
            count += 1
            squares &= squares - ONE
    return count
