"""Which features of a sparse network a position has, found in its bitboards.

The first layer sums one row a feature that is present. Everything is seen from the side to move.

| group | rows | present | row within the group |
|---|---|---|---|
| pieces | 7 x 12 x 64 | one a piece | (threat state x 12 + piece) x 64 + square |
| state | 24 | 1 to 8 | see below |

Pieces: 0..5 own pawn, knight, bishop, rook, queen, king; 6..11 the opponent's.
State: 0..3 castling rights, 4..11 en-passant file, 12 repeated once, 13 more often, 14..21 half-move
clock in eighths of 100, 22 in check.

Attackers of all squares at once are kept as three bitboards a side, the bits of a number 0..5 a square
(none, pawn, minor piece, rook, queen, king: the least that attacks), so that one square costs three shifts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.attacks import KING, bishop_attacks, knight_attacks, pawn_attacks_down, pawn_attacks_up, rook_attacks
from agent.rules.bits import NOTHING, ONE, Words, lowest, u64
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS, STATE
from agent.rules.record import BYTE, EN_PASSANT_SHIFT, halfmove_clock, occupied, repetitions

PIECE_ROWS: Final = 768
"""Rows 12 x 64 of one threat state. As many more are shared by all threat states while the network learns; the
evaluator's rows have them added in."""
THREATS: Final = 7  # threat states of a piece, see `_threat_table`
STATE_AT: Final = THREATS * PIECE_ROWS  # first row of the state
FEATURES: Final = STATE_AT + 24  # rows F of the first layer as evaluated; the shared rows stand behind them
MAX_FEATURES: Final = 144  # more features than any record can have whose bitboards are disjoint, shared rows included
MAPS: Final = 6  # bitboards that `attack_maps` writes: bits 0, 1, 2 of the own attackers, then of the opponent's
_RANKS: Final = (1, 2, 2, 3, 4, 5)  # of pawn, knight, bishop, rook, queen, king among attackers


def _threat_table() -> NDArray[np.int64]:
    """[6, 6, 6] first row of a piece, by its kind, the least that attacks it and the least that defends it (0: none).
    Threat states. Not attacked: 0 undefended, 1 defended. Attacked by a lesser piece: 2 undefended, 3 defended.
    Attacked by its like or a greater piece: 4 undefended; defended, 5 against its like, 6 against a greater piece."""
    table = np.zeros((6, 6, 6), np.int64)
    for kind, attacker, defender in np.ndindex(6, 6, 6):
        rank, defended = _RANKS[kind], int(defender > 0)
        if attacker == 0:
            state = defended
        elif attacker < rank:
            state = 2 + defended
        elif not defended:
            state = 4
        else:
            state = 5 if attacker == rank else 6
        table[kind, attacker, defender] = PIECE_ROWS * state
    table.setflags(write=False)
    return table


_THREAT_ROW: Final = _threat_table()


@njit
def _side_maps(position: Words, side: np.uint64, pawns: np.uint64, maps: Words, at: int) -> None:
    """Write the three bitboards of one side's attackers to `maps[at:]`; `pawns` are its pawns' attacks."""
    everyone = occupied(position)
    minors = knight_attacks(position[KNIGHTS] & side)
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
    maps[at], maps[at + 1], maps[at + 2] = pawns | rooks | king, minors | rooks, queens | king


@njit
def attack_maps(position: Words, maps: Words) -> None:
    """Write who attacks every square to `maps` [MAPS]."""
    own = position[OWN]
    other = occupied(position) & ~own
    _side_maps(position, own, pawn_attacks_up(position[PAWNS] & own), maps, 0)
    _side_maps(position, other, pawn_attacks_down(position[PAWNS] & other), maps, 3)


@njit
def attacker(maps: Words, at: int, square: np.uint64) -> np.int64:
    """The least attacker 0..5 of `square`: own with `at` 0, the opponent's with `at` 3."""
    low, middle, high = maps[at] >> square, maps[at + 1] >> square, maps[at + 2] >> square
    return np.int64((low & ONE) | ((middle & ONE) << u64(1)) | ((high & ONE) << u64(2)))


@njit
def active_features(position: Words, maps: Words, rows: NDArray[np.int32]) -> np.int64:
    """Write the attackers to `maps` [MAPS] and the features to `rows` [MAX_FEATURES]; return the number of features."""
    attack_maps(position, maps)
    own = position[OWN]
    count = np.int64(0)
    for kind in range(6):
        for side in range(2):
            pieces = position[kind] & (own if side == 0 else ~own)
            row = 64 * (kind + 6 * side)
            while pieces:
                square = lowest(pieces)
                threat = _THREAT_ROW[kind, attacker(maps, 3 - 3 * side, square), attacker(maps, 3 * side, square)]
                rows[count] = row + threat + np.int64(square)
                count += 1
                pieces &= pieces - ONE

    state = position[STATE]
    for right in range(4):
        rows[count] = STATE_AT + right
        count += np.int64((state >> u64(right)) & ONE)
    file = (state >> EN_PASSANT_SHIFT) & BYTE
    if file:
        rows[count] = STATE_AT + 4 + np.int64(lowest(file) & u64(7))
        count += 1
    occurred = repetitions(state)
    if occurred:
        rows[count] = STATE_AT + (12 if occurred == u64(1) else 13)
        count += 1
    eighth: np.int64 = min(np.int64(halfmove_clock(state)) * 8 // 100, np.int64(7))
    rows[count] = STATE_AT + 14 + eighth
    count += 1
    rows[count] = STATE_AT + 22
    count += np.int64(attacker(maps, 3, lowest(position[KINGS] & own) & u64(63)) != 0)
    return count
