"""Which moves leave a king that is alone without a move: mate or stalemate, told to the policy as kinds of their own.

Whether a king in the corner has a square left is hard to say for a small network, and a policy that cannot tell
gives stalemates away. Only positions are looked at in which the opponent has a king and pawns that stand still; there,
most moves leave a square of the king's that is plainly free, and are played out only if they do not.
"""

from typing import Final

import numpy as np

from agent.compilation import njit
from agent.rules.attacks import KING, KNIGHT, PAWN, bishop_attacks, rook_attacks
from agent.rules.bits import NOTHING, ONE, Words, lowest, u64
from agent.rules.movegen import count_targets, find_targets, in_check
from agent.rules.record import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS, occupied
from agent.rules.step import make_move
from agent.vocabulary import FROM, TO

STALEMATE: Final = 721
"""Kind of a move that leaves no reply and no check. As kings give no check, no other move has this kind,"""
MATE: Final = 723
"""nor this one, of a move that leaves no reply to a check."""


@njit
def king_is_alone(position: Words) -> bool:
    """Whether the opponent has nothing but its king and pawns that cannot step forward as things stand."""
    everyone = occupied(position)
    other = everyone & ~position[OWN]
    pieces = (position[KNIGHTS] | position[BISHOPS] | position[ROOKS] | position[QUEENS]) & other
    return bool(pieces == NOTHING and ((position[PAWNS] & other) >> u64(8)) & ~everyone == NOTHING)


@njit
def free_squares(position: Words, maps: Words) -> np.uint64:
    """Squares that the opponent's king may step on as things stand.

    `maps` is what `attack_maps` wrote for `position`.
    """
    other = occupied(position) & ~position[OWN]
    king = lowest(position[KINGS] & other) & u64(63)
    return u64(KING[king] & ~other & ~(maps[0] | maps[1] | maps[2]))


@njit
def kind_without_reply(
    position: Words, move: np.int64, moved: np.int64, free: np.uint64, maps: Words, child: Words, targets: Words
) -> np.int64:
    """`MATE` or `STALEMATE` if `move`, to become a piece of the kind `moved`, leaves the opponent no move, else -1.

    `free` is what `free_squares` found; `child` [WORDS] and `targets` [64] are overwritten.
    """
    start, end = u64(FROM[move]), u64(TO[move])
    everyone = occupied(position)
    # A piece that nobody guards opens no line of ours when it leaves (so much for castling, where the rook guards the
    # king), but en passant takes a pawn from elsewhere. A promotion attacks as what the pawn becomes.
    guarded = ((maps[0] | maps[1] | maps[2]) >> start) & ONE != NOTHING
    en_passant = moved == 0 and ((start ^ end) & u64(7)) != NOTHING and (everyone >> end) & ONE == NOTHING
    if not guarded and not en_passant:
        beyond = (everyone & ~(ONE << start) & ~(position[KINGS] & ~position[OWN])) | (ONE << end)
        if free & ~_attacks(moved, end, beyond) != NOTHING:
            return np.int64(-1)
    make_move(position, move, child)
    find_targets(child, targets)
    if count_targets(child, targets) != 0:
        return np.int64(-1)
    return np.int64(MATE) if in_check(child) else np.int64(STALEMATE)


@njit
def _attacks(kind: np.int64, square: np.uint64, everyone: np.uint64) -> np.uint64:
    if kind == 0:
        return u64(PAWN[square])
    if kind == 1:
        return u64(KNIGHT[square])
    if kind == 2:
        return bishop_attacks(square, everyone)
    if kind == 3:
        return rook_attacks(square, everyone)
    if kind == 4:
        return bishop_attacks(square, everyone) | rook_attacks(square, everyone)
    return u64(KING[square])
