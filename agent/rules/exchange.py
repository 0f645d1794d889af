"""What a capture wins once all captures on its square are played out (static exchange evaluation)."""

from typing import Final

import numpy as np

from agent.compilation import inlined, njit
from agent.rules.attacks import KING, KNIGHT, PAWN, bishop_attacks, pawn_attacks_down, rook_attacks
from agent.rules.bits import NOTHING, ONE, Words, u64
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS
from agent.rules.record import occupied
from agent.vocabulary import FROM, PLAIN, TO

WORTH: Final = np.array([100, 320, 330, 500, 950, 20_000, 0], np.int64)
"""Of pawn, knight, bishop, rook, queen, king and an empty square, in hundredths of a pawn."""
WORTH.setflags(write=False)
NO_PIECE: Final = 6


@inlined
def kind_on(position: Words, bit: np.uint64) -> np.int64:
    """Kind 0..5 of the piece on `bit`; NO_PIECE if there is none."""
    kind = np.int64(NO_PIECE)
    for board in range(6):
        if position[board] & bit != NOTHING:
            kind = np.int64(board)
    return kind


@njit
def wins_exchange(position: Words, move: np.int64, least: np.int64) -> bool:
    """Whether `move` wins at least `least` if both sides then capture on its target with their least piece, or stop.

    Pins are ignored; promotions count as won. The algorithm is Stockfish's `see_ge`: `balance` is what the side that
    captured last would lose by stopping here."""
    if move >= PLAIN:
        return True
    start, end = ONE << u64(FROM[move]), ONE << u64(TO[move])
    square = u64(TO[move])
    balance = WORTH[kind_on(position, end)] - least
    if balance < 0:
        return False
    balance = WORTH[kind_on(position, start)] - balance
    if balance <= 0:
        return True
    diagonal, straight = position[BISHOPS] | position[QUEENS], position[ROOKS] | position[QUEENS]
    everyone = (occupied(position) & ~start) | end
    own = position[OWN]
    attackers = (
        (KNIGHT[square] & position[KNIGHTS])
        | (KING[square] & position[KINGS])
        | (PAWN[square] & position[PAWNS] & ~own)
        | (pawn_attacks_down(end) & position[PAWNS] & own)
        | (bishop_attacks(square, everyone) & diagonal)
        | (rook_attacks(square, everyone) & straight)
    )
    wins, side = np.int64(1), ~own
    while True:
        attackers &= everyone & ~end
        able = attackers & side
        if able == NOTHING:
            break
        wins ^= 1
        kind = np.int64(0)
        while position[kind] & able == NOTHING:
            kind += 1
        if kind == KINGS:
            if attackers & ~side != NOTHING:
                wins ^= 1  # the king would step into an attack
            break
        balance = WORTH[kind] - balance
        if balance < wins:
            break
        capturer = position[kind] & able
        everyone &= ~(capturer & (~capturer + ONE))
        # Lines behind the piece that left open up.
        attackers |= (bishop_attacks(square, everyone) & diagonal) | (rook_attacks(square, everyone) & straight)
        side = ~side
    return bool(wins != 0)
