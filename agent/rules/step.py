"""Making a move, and telling whether it is legal without generating the others."""

from typing import Final

import numpy as np

from agent.compilation import njit
from agent.rules.attacks import KING, KNIGHT, PAWN, bishop_attacks, rook_attacks
from agent.rules.bits import NOTHING, ONE, RANK_3, RANK_8, Words, mirror, u64
from agent.rules.movegen import attacked_squares, castling_targets, en_passant_captors, king_square
from agent.rules.record import (
    BISHOPS,
    CASTLING,
    KINGS,
    KNIGHTS,
    OWN,
    PAWNS,
    QUEENS,
    ROOKS,
    STATE,
    en_passant_bit,
    next_state,
    occupied,
    swap_sides,
)
from agent.vocabulary import FROM, PLAIN, PROMOTION, SIZE, TO

_E1: Final = u64(4)
_CASTLING_STEP: Final = u64(2)


def _kept_rights() -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """[64] castling rights that survive a move from or to each square."""
    kept = np.full(64, CASTLING, np.uint64)
    for square, lost in ((4, 3), (7, 1), (0, 2), (60, 12), (63, 4), (56, 8)):
        kept[square] = 15 - lost
    kept.setflags(write=False)
    return kept


_KEPT_RIGHTS: Final = _kept_rights()


@njit
def _moved(pieces: np.uint64, start: np.uint64, end: np.uint64) -> np.uint64:
    """Bitboard of one kind after a move from `start` to `end`: captured there, moved if it stood here."""
    return (pieces & ~((ONE << start) | (ONE << end))) | (((pieces >> start) & ONE) << end)


@njit
def make_move(position: Words, move: np.int64, child: Words) -> None:
    """Write to `child` the position after legal `move`, seen by the other side; they may be one array.

    The child has no repetitions: only its game knows them.
    """
    start, end = u64(FROM[move]), u64(TO[move])
    start_bit, end_bit = ONE << start, ONE << end
    state = position[STATE]
    own = position[OWN]
    everyone = occupied(position)
    pawn_moves = position[PAWNS] & start_bit != NOTHING
    zeroing = pawn_moves or everyone & end_bit != NOTHING

    pawns = _moved(position[PAWNS], start, end)
    knights = _moved(position[KNIGHTS], start, end)
    bishops = _moved(position[BISHOPS], start, end)
    rooks = _moved(position[ROOKS], start, end)
    queens = _moved(position[QUEENS], start, end)
    kings = _moved(position[KINGS], start, end)
    own = (own & ~start_bit) | end_bit

    double = NOTHING
    if pawn_moves:
        if move >= PLAIN:
            pawns ^= end_bit
            piece = PROMOTION[move]
            if piece == 0:
                queens |= end_bit
            elif piece == 1:
                rooks |= end_bit
            elif piece == 2:
                bishops |= end_bit
            else:
                knights |= end_bit
        elif end_bit == en_passant_bit(state):
            pawns &= ~(end_bit >> u64(8))
        elif end == start + u64(16):
            double = (end_bit >> u64(8)) & RANK_3
    elif position[KINGS] & start_bit and start == _E1:
        if end == _E1 + _CASTLING_STEP:
            rooks ^= u64(0xA0)
            own ^= u64(0xA0)
        elif end == _E1 - _CASTLING_STEP:
            rooks ^= u64(0x09)
            own ^= u64(0x09)

    everyone = pawns | knights | bishops | rooks | queens | kings
    child[PAWNS] = mirror(pawns)
    child[KNIGHTS] = mirror(knights)
    child[BISHOPS] = mirror(bishops)
    child[ROOKS] = mirror(rooks)
    child[QUEENS] = mirror(queens)
    child[KINGS] = mirror(kings)
    child[OWN] = mirror(everyone & ~own)
    files = NOTHING
    if double:
        double = mirror(double)
        if en_passant_captors(child, double, king_square(child)):
            files = double >> u64(40)
    rights = state & CASTLING & _KEPT_RIGHTS[start] & _KEPT_RIGHTS[end]
    child[STATE] = next_state(state, swap_sides(rights), files, zeroing)


@njit
def is_legal_move(position: Words, move: np.int64) -> bool:
    """Whether vocabulary index `move`, any number at all, is a legal move.

    Shares nothing with the generator's pins and answers to checks: it looks whether the piece moves
    so, then whether the own king is attacked on the board after the move.
    """
    if move < 0 or move >= SIZE:
        return False
    start, end = u64(FROM[move]), u64(TO[move])
    start_bit, end_bit = ONE << start, ONE << end
    own = position[OWN]
    everyone = occupied(position)
    if start_bit & own & everyone == NOTHING or end_bit & own or end_bit & position[KINGS]:
        return False
    king = king_square(position)
    captured = end_bit & everyone
    promotes = (position[PAWNS] & start_bit != NOTHING) and (end_bit & RANK_8 != NOTHING)
    if promotes != (move >= PLAIN):
        return False

    if position[PAWNS] & start_bit:
        if end_bit & PAWN[start]:
            if captured == NOTHING:
                if end_bit != en_passant_bit(position[STATE]):
                    return False
                captured = end_bit >> u64(8)
        else:
            one = (start_bit << u64(8)) & ~everyone
            two = ((one & RANK_3) << u64(8)) & ~everyone
            if end_bit & (one | two) == NOTHING:
                return False
    elif position[KNIGHTS] & start_bit:
        if end_bit & KNIGHT[start] == NOTHING:
            return False
    elif position[KINGS] & start_bit:
        if end_bit & KING[start] == NOTHING:
            return bool(start == _E1 and end_bit & castling_targets(position, attacked_squares(position)) != NOTHING)
        king = end
    else:
        reach = NOTHING
        if (position[BISHOPS] | position[QUEENS]) & start_bit:
            reach |= bishop_attacks(start, everyone)
        if (position[ROOKS] | position[QUEENS]) & start_bit:
            reach |= rook_attacks(start, everyone)
        if end_bit & reach == NOTHING:
            return False

    after = (everyone & ~(start_bit | captured)) | end_bit
    theirs = everyone & ~own & ~captured
    attackers = rook_attacks(king, after) & (position[ROOKS] | position[QUEENS])
    attackers |= bishop_attacks(king, after) & (position[BISHOPS] | position[QUEENS])
    attackers |= KNIGHT[king] & position[KNIGHTS]
    attackers |= PAWN[king] & position[PAWNS]
    attackers |= KING[king] & position[KINGS] & ~start_bit
    return bool(attackers & theirs == NOTHING)
