"""The kind of a move, by which its logit gets a second row: what moves, what it takes, what it risks.

Kind = ((((moved x 6 + captured) x 6 + guard) x 2 + attacked) x 2 + check), 864 in all:

- moved 0..5: pawn, knight, bishop, rook, queen, king;
- captured 0..5: nothing, pawn, knight, bishop, rook, queen;
- guard 0..5: the opponent's least attacker of the target (none, pawn, minor piece, rook, queen, king), before the move;
- attacked: whether the opponent attacks the square it leaves;
- check: whether the moved piece itself attacks the opponent's king from the target, before the board changes.

Moves that mate or stalemate a lone king have two kinds of their own instead. Whether a king in the
corner has a square left is hard to say for a small network, and a policy that does not know gives stalemates away. Only
positions are looked at in which the opponent has a king and pawns that cannot step forward. There, most moves leave the
king a square that is clearly free; the others are played out."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.networks.sparse.features import attacker
from agent.rules.attacks import KING, KNIGHT, PAWN, bishop_attacks, pawn_attacks_down, rook_attacks
from agent.rules.bits import NOTHING, ONE, Words, lowest, u64
from agent.rules.exchange import NO_PIECE, kind_on
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, PAWNS, QUEENS, ROOKS, WORDS
from agent.rules.movegen import count_targets, find_targets, in_check
from agent.rules.record import occupied
from agent.rules.step import make_move
from agent.vocabulary import FROM, PLAIN, PROMOTION, TO

MOVE_KINDS: Final = 864
STALEMATE: Final = 721
"""Kind of a move that leaves no reply and no check. As kings give no check, no other move has this kind,"""
MATE: Final = 723  # nor this one, of a move that leaves no reply to a check
MOVE_ROOM: Final = 6 + WORDS + 64  # words of scratch that `move_kinds` wants
_PROMOTED: Final = np.array([4, 3, 2, 1], np.int64)  # kinds in the vocabulary's order of promotions
_PROMOTED.setflags(write=False)


@njit
def move_kinds(
    position: Words, moves: NDArray[np.uint16], count: np.int64, maps: Words, room: Words, kinds: NDArray[np.int32]
) -> None:
    """Write the kinds of the first `count` of `moves` to `kinds`. `maps` is what
    `active_features` wrote for `position`; `room` [MOVE_ROOM] is scratch: squares from which a piece of each kind
    attacks the opponent's king, a position, its targets."""
    checks, child, targets = room[:6], room[6 : 6 + WORDS], room[6 + WORDS :]
    everyone = occupied(position)
    king = lowest(position[KINGS] & ~position[OWN]) & u64(63)
    checks[0] = pawn_attacks_down(ONE << king)
    checks[1] = KNIGHT[king]
    checks[2] = bishop_attacks(king, everyone)
    checks[3] = rook_attacks(king, everyone)
    checks[4] = checks[2] | checks[3]
    checks[5] = u64(0)
    guarded = maps[3] | maps[4] | maps[5]
    alone = king_is_alone(position)
    free = free_squares(position, maps) if alone else NOTHING
    for i in range(count):
        move = np.int64(moves[i])
        start, end = u64(FROM[move]), u64(TO[move])
        moved = kind_on(position, ONE << start)
        captured = (kind_on(position, ONE << end) + 1) % (NO_PIECE + 1)
        if moved == 0 and captured == 0 and (start ^ end) & u64(7):
            captured = np.int64(1)  # en passant
        shown = moved if move < PLAIN else _PROMOTED[PROMOTION[move]]
        kind = (6 * moved + captured) * 6 + attacker(maps, 3, end)
        attacked = np.int64((guarded >> start) & ONE)
        check = np.int64((checks[min(shown, np.int64(5))] >> end) & ONE)
        # An illegal move has no kind; it must not name a row outside the table either.
        kind = 4 * kind + 2 * attacked + check
        kinds[i] = kind if 0 <= kind < MOVE_KINDS else 0
        if alone:
            last = kind_without_reply(position, move, shown, free, maps, child, targets)
            if last >= 0:
                kinds[i] = last


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

    `maps` is what `attack_maps` wrote for `position`."""
    other = occupied(position) & ~position[OWN]
    king = lowest(position[KINGS] & other) & u64(63)
    return u64(KING[king] & ~other & ~(maps[0] | maps[1] | maps[2]))


@njit
def kind_without_reply(
    position: Words, move: np.int64, moved: np.int64, free: np.uint64, maps: Words, child: Words, targets: Words
) -> np.int64:
    """`MATE` or `STALEMATE` if `move`, to become a piece of the kind `moved`, leaves the opponent no move, else -1.
    `free` is what `free_squares` found; `child` [WORDS] and `targets` [64] are overwritten."""
    start, end = u64(FROM[move]), u64(TO[move])
    everyone = occupied(position)
    # A piece that is not guarded opens no line of ours when it leaves (nor does castling, where the rook guards the
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
