"""The kind of a move, by which its logit gets a second row: what moves, what it takes, what it risks.

Kind = ((((moved x 6 + captured) x 6 + guard) x 2 + attacked) x 2 + check), 864 in all:

- moved 0..5: pawn, knight, bishop, rook, queen, king;
- captured 0..5: nothing, pawn, knight, bishop, rook, queen;
- guard 0..5: the opponent's least attacker of the target (none, pawn, minor piece, rook, queen, king), before the move;
- attacked: whether the opponent attacks the square it leaves;
- check: whether the moved piece itself attacks the opponent's king from the target, before the board changes.

With `replies` the two kinds of `agent.networks.sparse.replies` take the place of these where they hold.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.networks.sparse.architecture import MOVE_KINDS, USES_REPLIES
from agent.networks.sparse.features import attacker
from agent.networks.sparse.replies import free_squares, kind_without_reply, king_is_alone
from agent.rules.attacks import KNIGHT, bishop_attacks, pawns_attacks_down, rook_attacks
from agent.rules.bits import NOTHING, ONE, Words, lowest, u64
from agent.rules.record import KINGS, OWN, WORDS, occupied
from agent.vocabulary import FROM, PLAIN, PROMOTION, TO

_PROMOTED: Final = np.array([4, 3, 2, 1], np.int64)  # kinds in the vocabulary's order of promotions
_PROMOTED.setflags(write=False)


MOVE_ROOM: Final = 6 + WORDS + 64
"""Words of scratch that `move_kinds` wants."""


@njit
def _kind_on(position: Words, square: np.uint64) -> np.int64:
    """Kind 0..5 of the piece on `square`; -1 if none. Boards are disjoint, so three bits say it."""
    number = (
        ((position[0] >> square) & ONE)
        + ((position[1] >> square) & ONE) * u64(2)
        + ((position[2] >> square) & ONE) * u64(3)
        + ((position[3] >> square) & ONE) * u64(4)
        + ((position[4] >> square) & ONE) * u64(5)
        + ((position[5] >> square) & ONE) * u64(6)
    )
    return np.int64(number) - np.int64(1)


@njit
def move_kinds(
    position: Words,
    moves: NDArray[np.uint16],
    count: np.int64,
    layout: NDArray[np.int64],
    maps: Words,
    room: Words,
    kinds: NDArray[np.int32],
) -> None:
    """Write the kinds of the first `count` of `moves` to `kinds`.

    `layout` is the architecture's, `maps` is what `active_features` wrote for `position`; `room` [MOVE_ROOM] is
    scratch: squares from which a piece of each kind attacks the opponent's king, a position, its targets.
    """
    checks, child, targets = room[:6], room[6 : 6 + WORDS], room[6 + WORDS :]
    everyone = occupied(position)
    king = lowest(position[KINGS] & ~position[OWN]) & u64(63)
    checks[0] = pawns_attacks_down(ONE << king)
    checks[1] = KNIGHT[king]
    checks[2] = bishop_attacks(king, everyone)
    checks[3] = rook_attacks(king, everyone)
    checks[4] = checks[2] | checks[3]
    checks[5] = u64(0)
    guarded = maps[3] | maps[4] | maps[5]
    alone = layout[USES_REPLIES] != 0 and king_is_alone(position)
    free = free_squares(position, maps) if alone else NOTHING
    for i in range(count):
        move = np.int64(moves[i])
        start, end = u64(FROM[move]), u64(TO[move])
        moved = _kind_on(position, start)
        captured = _kind_on(position, end) + np.int64(1)
        if moved == 0 and captured == 0 and (start ^ end) & u64(7):
            captured = np.int64(1)  # en passant
        shown = moved if move < PLAIN else _PROMOTED[PROMOTION[move]]
        kind = (6 * moved + captured) * 6 + attacker(maps, 3, end)
        attacked = np.int64((guarded >> start) & ONE)
        check = np.int64((checks[shown] >> end) & ONE)
        # A move that is not legal has no kind; it must not name a row outside the table either.
        kind = 4 * kind + 2 * attacked + check
        kinds[i] = kind if 0 <= kind < MOVE_KINDS else 0
        if alone:
            last = kind_without_reply(position, move, shown, free, maps, child, targets)
            if last >= 0:
                kinds[i] = last
