"""Making a move, and telling whether it is legal without generating the others."""

from typing import Final

import numpy as np

from agent.compilation import inlined
from agent.rules.attacks import KING, KNIGHT, PAWN, bishop_attacks, rook_attacks
from agent.rules.bits import NOTHING, ONE, RANK_3, RANK_8, Words, mirror, u64
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS, STATE
from agent.rules.movegen import attacked_squares, attackers_of, castling_targets, en_passant_captors, king_square
from agent.rules.record import CASTLING, en_passant_bit, next_state, occupied, swap_sides
from agent.vocabulary import FROM, PLAIN, PROMOTION, SIZE, TO

_E1: Final = u64(4)
_CASTLING_STEP: Final = u64(2)
_CASTLED: Final = u64(0x44)


_KEPT_RIGHTS: Final = np.full(64, CASTLING, np.uint64)
"""[64] castling rights that survive a move from or to each square."""
for _square, _lost in ((4, 3), (7, 1), (0, 2), (60, 12), (63, 4), (56, 8)):
    _KEPT_RIGHTS[_square] = 15 - _lost
_KEPT_RIGHTS.setflags(write=False)


@inlined
def _moved(pieces: np.uint64, start: np.uint64, end: np.uint64) -> np.uint64:
    """Bitboard of one kind after a move from `start` to `end`: captured there, moved if it stood here."""
    return (pieces & ~((ONE << start) | (ONE << end))) | (((pieces >> start) & ONE) << end)


@inlined
def make_move(position: Words, move: np.int64, child: Words) -> None:
    """Write to `child` the position after legal `move`, seen by the other side; they may be one array.

    The child has no repetitions: only its game knows them."""
    start, end = u64(FROM[move]), u64(TO[move])
    start_bit, end_bit = ONE << start, ONE << end
    state, own = position[STATE], position[OWN]
    pawn_moves = position[PAWNS] & start_bit != NOTHING
    zeroing = pawn_moves or occupied(position) & end_bit != NOTHING

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

    child[PAWNS] = mirror(pawns)
    child[KNIGHTS] = mirror(knights)
    child[BISHOPS] = mirror(bishops)
    child[ROOKS] = mirror(rooks)
    child[QUEENS] = mirror(queens)
    child[KINGS] = mirror(kings)
    child[OWN] = occupied(child) & ~mirror(own)
    files = NOTHING
    if double:
        double = mirror(double)
        if en_passant_captors(child, double, king_square(child)):
            files = double >> u64(40)
    rights = state & CASTLING & _KEPT_RIGHTS[start] & _KEPT_RIGHTS[end]
    child[STATE] = next_state(state, swap_sides(rights), files, zeroing)


@inlined
def _if_set(bit: np.uint64) -> np.uint64:
    """Everywhere for a bit that is set, nothing for an empty board; no branch."""
    return NOTHING - u64(bit != NOTHING)


@inlined
def is_legal_move(position: Words, move: np.int64) -> bool:
    """Whether vocabulary index `move`, any number at all, is a legal move.

    Shares nothing with the generator's pins and answers to checks: it looks whether the piece moves so, then whether
    the own king is attacked on the board after the move."""
    known = move >= 0 and move < SIZE
    index = move if known else np.int64(0)
    start, end = u64(FROM[index]), u64(TO[index])
    start_bit, end_bit = ONE << start, ONE << end
    own, state = position[OWN], position[STATE]
    everyone = occupied(position)
    pawn, king_moves = position[PAWNS] & start_bit, position[KINGS] & start_bit
    diagonal, straight = position[BISHOPS] | position[QUEENS], position[ROOKS] | position[QUEENS]

    one = (start_bit << u64(8)) & ~everyone
    two = ((one & RANK_3) << u64(8)) & ~everyone
    reach = (one | two | (PAWN[start] & (everyone | en_passant_bit(state)))) & _if_set(pawn)
    reach |= KNIGHT[start] & _if_set(position[KNIGHTS] & start_bit)
    reach |= KING[start] & _if_set(king_moves)
    reach |= bishop_attacks(start, everyone) & _if_set(diagonal & start_bit)
    reach |= rook_attacks(start, everyone) & _if_set(straight & start_bit)
    if king_moves and start == _E1 and end_bit & _CASTLED:
        reach |= castling_targets(position, attacked_squares(position))

    captured = end_bit | ((en_passant_bit(state) & end_bit & _if_set(pawn)) >> u64(8))
    after = (everyone & ~(start_bit | captured)) | end_bit
    king = end if king_moves else king_square(position)
    attackers = attackers_of(position, king, after) | KING[king] & position[KINGS]

    faults = attackers & everyone & ~own & ~captured
    faults |= end_bit & (own | position[KINGS])
    faults |= start_bit & ~(own & everyone)
    faults |= end_bit & ~reach
    promotes = pawn != NOTHING and end_bit & RANK_8 != NOTHING
    return bool(known and faults == NOTHING and promotes == (index >= PLAIN))
