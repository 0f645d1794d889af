"""How a game ends, as FIDE and python-chess define it."""

from enum import IntEnum

import numpy as np

from agent.compilation import inlined
from agent.rules.bits import DARK_SQUARES, LIGHT_SQUARES, NOTHING, Words, popcount, u64
from agent.rules.layout import BISHOPS, KNIGHTS, PAWNS, QUEENS, ROOKS, STATE
from agent.rules.movegen import in_check
from agent.rules.record import halfmove_clock, occupied, repetitions


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
