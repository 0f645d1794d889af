"""How a game ends, as FIDE and python-chess define it; and mate in one, found from the rules alone."""

from enum import IntEnum

import numpy as np

from agent.compilation import inlined, njit
from agent.rules.attacks import BETWEEN, BISHOP_RAYS, KNIGHT, ROOK_RAYS, bishop_attacks, pawn_attacks_down, rook_attacks
from agent.rules.bits import DARK_SQUARES, LIGHT_SQUARES, NOTHING, ONE, Moves, Words, lowest, popcount, u64
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS, STATE
from agent.rules.movegen import count_targets, find_targets, in_check
from agent.rules.record import en_passant_bit, halfmove_clock, occupied, repetitions
from agent.rules.step import make_move
from agent.vocabulary import FROM, PLAIN, TO


class Termination(IntEnum):
    """Why a game ended. Checkmate: the side to move has lost. All others are draws."""

    NONE = 0  # the game goes on
    CHECKMATE = 1
    STALEMATE = 2
    INSUFFICIENT_MATERIAL = 3  # neither side can mate by any sequence of legal moves, judged by material
    SEVENTYFIVE_MOVES = 4
    FIVEFOLD_REPETITION = 5
    FIFTY_MOVES = 6  # claimable: 50 moves without capture or pawn move
    THREEFOLD_REPETITION = 7  # claimable: the position on the board occurs for the third time
    TRUNCATED = 8  # A cap on plies: set by self-play, not a rule of chess


# Compiled code sees plain numbers.
_NONE, _CHECKMATE, _STALEMATE, _INSUFFICIENT, _SEVENTYFIVE, _FIVEFOLD, _FIFTY, _THREEFOLD = range(8)


@inlined
def insufficient_material(position: Words) -> bool:
    """Bare kings, with one knight or with bishops that all stand on squares of one colour."""
    if position[PAWNS] | position[ROOKS] | position[QUEENS]:
        return False
    bishops = position[BISHOPS]
    if position[KNIGHTS]:
        return bool(popcount(occupied(position)) <= u64(3))
    return bool(bishops & LIGHT_SQUARES == NOTHING or bishops & DARK_SQUARES == NOTHING)


@inlined
def termination(position: Words, has_move: bool, claim_draws: bool) -> np.int64:
    """Termination code of a position, by python-chess's order of precedence."""
    if not has_move and in_check(position):
        return np.int64(_CHECKMATE)
    if insufficient_material(position):
        return np.int64(_INSUFFICIENT)
    if not has_move:
        return np.int64(_STALEMATE)
    state = position[STATE]
    clock, occurred = halfmove_clock(state), repetitions(state)
    if clock >= u64(150):
        return np.int64(_SEVENTYFIVE)
    if occurred >= u64(4):
        return np.int64(_FIVEFOLD)
    if claim_draws:
        if clock >= u64(100):
            return np.int64(_FIFTY)
        if occurred >= u64(2):
            return np.int64(_THREEFOLD)
    return np.int64(_NONE)


@njit
def _discoverers(position: Words, king: np.uint64, everyone: np.uint64) -> np.uint64:
    """Own pieces that alone stand between an own slider and the opponent's king on `king`."""
    own = position[OWN]
    snipers = ROOK_RAYS[king] & (position[ROOKS] | position[QUEENS]) & own
    snipers |= BISHOP_RAYS[king] & (position[BISHOPS] | position[QUEENS]) & own
    found = NOTHING
    while snipers:
        blockers = BETWEEN[king, lowest(snipers)] & everyone
        if blockers & (blockers - ONE) == NOTHING:
            found |= blockers & own
        snipers &= snipers - ONE
    return found


@njit
def mating_move(
    position: Words, moves: Moves, count: np.int64 | int, start: np.int64 | int, child: Words, targets: Words
) -> np.int64:
    """Place among the `count` legal `moves`, from `start` on, of the first that mates; -1 if none does. It is cheap:
    only moves that can give check are tried. `child` [WORDS] and `targets` [64] are overwritten."""
    own, everyone = position[OWN], occupied(position)
    king = lowest(position[KINGS] & ~own) & u64(63)
    straight, diagonal = rook_attacks(king, everyone), bishop_attacks(king, everyone)
    any_check = straight | diagonal | KNIGHT[king]
    discoverers = _discoverers(position, king, everyone)
    special = en_passant_bit(position[STATE])
    for i in range(start, count):
        move = np.int64(moves[i])
        origin, target = u64(FROM[move]), u64(TO[move])
        start_bit, end_bit = ONE << origin, ONE << target
        # Promotions, en passant and castling change more of a line than one piece's move: try them all.
        if move < PLAIN and (discoverers & start_bit) == NOTHING:
            if position[KINGS] & start_bit:
                if origin != u64(4) or (target != u64(6) and target != u64(2)):
                    continue
            elif position[PAWNS] & start_bit:
                if (end_bit & (pawn_attacks_down(ONE << king) | special)) == NOTHING:
                    continue
            elif (end_bit & any_check) == NOTHING:
                continue
            elif position[KNIGHTS] & start_bit:
                if (end_bit & KNIGHT[king]) == NOTHING:
                    continue
            elif position[BISHOPS] & start_bit:
                if (end_bit & diagonal) == NOTHING:
                    continue
            elif position[ROOKS] & start_bit:
                if (end_bit & straight) == NOTHING:
                    continue
            elif (end_bit & (straight | diagonal)) == NOTHING:
                continue
        make_move(position, move, child)
        if in_check(child):
            find_targets(child, targets)
            if count_targets(child, targets) == 0:
                return np.int64(i)
    return np.int64(-1)
