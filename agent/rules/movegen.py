"""Strictly legal move generation for the side to move.

`threats` finds what restricts the own pieces: squares the opponent attacks, checks, pins. `find_targets` then gives
every own piece its legal target squares, and `write_moves` names them by vocabulary index, in ascending order."""

from typing import Final

import numpy as np

from agent.compilation import inlined
from agent.rules.attacks import (
    BETWEEN,
    BISHOP_RAYS,
    KING,
    KNIGHT,
    LINE,
    PAWN,
    ROOK_RAYS,
    bishop_attacks,
    knight_attacks,
    pawn_attacks_down,
    rook_attacks,
    slider_attacks,
)
from agent.rules.bits import EVERYWHERE, NOTHING, ONE, RANK_3, RANK_7, Moves, Words, lowest, popcount, u64
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS, STATE
from agent.rules.record import OWN_KING_SIDE, OWN_QUEEN_SIDE, en_passant_bit, occupied
from agent.vocabulary import INDEX, MAX_LEGAL, PROMOTION_INDEX

ROW: Final = MAX_LEGAL + 6  # entries of a row that `write_moves` may write to


@inlined
def king_square(position: Words) -> np.uint64:
    """Square of the own king; always below 64, so that no record can make a table be read outside."""
    return lowest(position[KINGS] & position[OWN]) & u64(63)


@inlined
def attackers_of(position: Words, square: np.uint64, everyone: np.uint64) -> np.uint64:
    """Pieces but kings, of either side, that attack `square` as the opponent's do, where `everyone` blocks lines."""
    attackers = rook_attacks(square, everyone) & (position[ROOKS] | position[QUEENS])
    attackers |= bishop_attacks(square, everyone) & (position[BISHOPS] | position[QUEENS])
    attackers |= KNIGHT[square] & position[KNIGHTS]
    return u64(attackers | PAWN[square] & position[PAWNS])


@inlined
def attacked_squares(position: Words) -> np.uint64:
    """Squares the opponent attacks, also through the own king, which cannot hide behind itself."""
    everyone, own, queens = occupied(position), position[OWN], position[QUEENS]
    theirs = everyone & ~own
    attacked = slider_attacks(
        (position[ROOKS] | queens) & theirs, (position[BISHOPS] | queens) & theirs, everyone & ~(position[KINGS] & own)
    )
    attacked |= knight_attacks(position[KNIGHTS] & theirs) | pawn_attacks_down(position[PAWNS] & theirs)
    return u64(attacked | KING[lowest(position[KINGS] & theirs) & u64(63)])


@inlined
def threats(position: Words, king: np.uint64, attacked: np.uint64) -> tuple[np.uint64, np.uint64]:
    """What restricts the own pieces but the king: (squares that answer a check, pinned pieces).

    Without a check every square answers; in double check none does. A pinned piece stays on the line through its king,
    `LINE[king, square]`."""
    everyone, own, queens = occupied(position), position[OWN], position[QUEENS]
    theirs = everyone & ~own
    snipers = ROOK_RAYS[king] & (position[ROOKS] | queens) & theirs
    snipers |= BISHOP_RAYS[king] & (position[BISHOPS] | queens) & theirs
    pinned, checkers, answers = NOTHING, NOTHING, NOTHING
    while snipers:
        sniper = lowest(snipers)
        between = BETWEEN[king, sniper]
        blockers = between & everyone
        if blockers == NOTHING:
            checkers |= ONE << sniper
            answers |= between
        elif blockers & (blockers - ONE) == NOTHING:
            pinned |= blockers & own
        snipers &= snipers - ONE
    if attacked & (ONE << king) == NOTHING:
        return EVERYWHERE, pinned
    checkers |= KNIGHT[king] & position[KNIGHTS] & theirs
    checkers |= PAWN[king] & position[PAWNS] & theirs
    if checkers & (checkers - ONE):
        return NOTHING, pinned
    return answers | checkers, pinned


@inlined
def en_passant_captors(position: Words, square_bit: np.uint64, king: np.uint64) -> np.uint64:
    """Own pawns that may legally capture en passant on `square_bit`.

    Two pawns leave one rank at once, so pins do not tell; the board after the capture does."""
    if square_bit == NOTHING:
        return NOTHING
    everyone, own, captured = occupied(position), position[OWN], square_bit >> u64(8)
    theirs = everyone & ~own & ~captured
    captors = pawn_attacks_down(square_bit) & position[PAWNS] & own
    legal = NOTHING
    while captors:
        captor = captors & (~captors + ONE)
        after = (everyone ^ captor ^ captured) | square_bit
        if attackers_of(position, king, after) & theirs == NOTHING:
            legal |= captor
        captors &= captors - ONE
    return legal


@inlined
def castling_targets(position: Words, attacked: np.uint64) -> np.uint64:
    """Squares to which the own king on e1 may castle: g1, c1, both or none."""
    state, everyone, targets = position[STATE], occupied(position), NOTHING
    if state & OWN_KING_SIDE and everyone & u64(0x60) == NOTHING and attacked & u64(0x70) == NOTHING:
        targets |= u64(0x40)
    if state & OWN_QUEEN_SIDE and everyone & u64(0x0E) == NOTHING and attacked & u64(0x1C) == NOTHING:
        targets |= u64(0x04)
    return targets


@inlined
def find_targets(position: Words, targets: Words) -> None:
    """Write the legal target squares of every own piece to `targets` [64], by its square.

    Entries of squares without an own piece keep what they had."""
    own, everyone, king = position[OWN], occupied(position), king_square(position)
    attacked = attacked_squares(position)
    answers, pinned = threats(position, king, attacked)
    allowed = answers & ~own

    pieces = position[PAWNS] & own
    while pieces:
        square = lowest(pieces)
        one = ((ONE << square) << u64(8)) & ~everyone
        two = ((one & RANK_3) << u64(8)) & ~everyone
        targets[square] = (one | two | (PAWN[square] & everyone)) & allowed
        pieces &= pieces - ONE
    pieces = position[KNIGHTS] & own
    while pieces:
        square = lowest(pieces)
        targets[square] = KNIGHT[square] & allowed
        pieces &= pieces - ONE
    pieces = position[BISHOPS] & own
    while pieces:
        square = lowest(pieces)
        targets[square] = bishop_attacks(square, everyone) & allowed
        pieces &= pieces - ONE
    pieces = position[ROOKS] & own
    while pieces:
        square = lowest(pieces)
        targets[square] = rook_attacks(square, everyone) & allowed
        pieces &= pieces - ONE
    pieces = position[QUEENS] & own
    while pieces:
        square = lowest(pieces)
        targets[square] = (rook_attacks(square, everyone) | bishop_attacks(square, everyone)) & allowed
        pieces &= pieces - ONE

    while pinned:
        square = lowest(pinned)
        targets[square] &= LINE[king, square]
        pinned &= pinned - ONE
    en_passant = en_passant_bit(position[STATE])
    captors = en_passant_captors(position, en_passant, king)
    while captors:
        targets[lowest(captors)] |= en_passant
        captors &= captors - ONE
    targets[king] = (KING[king] & ~own & ~attacked) | castling_targets(position, attacked)


@inlined
def count_targets(position: Words, targets: Words) -> np.int64:
    """Number of moves in `targets`; a promotion counts as four."""
    pieces, count = position[OWN], NOTHING
    promoting = position[PAWNS] & RANK_7 & pieces
    while pieces:
        square = lowest(pieces)
        moves = popcount(targets[square])
        count += moves << u64(2) if promoting & (ONE << square) else moves
        pieces &= pieces - ONE
    return np.int64(count)


@inlined
def write_moves(position: Words, targets: Words, row: Moves) -> np.int64:
    """Write the moves in `targets` to `row` [ROW] by ascending vocabulary index; return their number.

    The rest of the row is undefined. Returns -1 if there are more than 218, which no reachable position has."""
    promoting, count = position[PAWNS] & RANK_7 & position[OWN], NOTHING
    pieces = position[OWN] & ~promoting
    while pieces:
        square = lowest(pieces)
        ends = targets[square]
        following = count + popcount(ends)
        if following > u64(MAX_LEGAL):
            return np.int64(-1)
        # Six at a time, past the last one too: fewer branches for the processor to guess wrong.
        while True:
            for _ in range(6):
                row[count] = INDEX[square, lowest(ends) & u64(63)]
                count += ONE
                ends &= ends - ONE
            if ends == NOTHING:
                break
        count = following
        pieces &= pieces - ONE
    while promoting:
        square = lowest(promoting)
        ends = targets[square]
        if count + (popcount(ends) << u64(2)) > u64(MAX_LEGAL):
            return np.int64(-1)
        while ends:
            queen = PROMOTION_INDEX[square, lowest(ends)]
            for piece in range(4):
                row[count] = queen + piece
                count += ONE
            ends &= ends - ONE
        promoting &= promoting - ONE
    return np.int64(count)


@inlined
def in_check(position: Words) -> bool:
    """Whether the opponent attacks the own king."""
    return bool(attacked_squares(position) & position[KINGS] & position[OWN] != NOTHING)
