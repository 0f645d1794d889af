"""Where pieces attack: tables for leapers, hyperbola quintessence for sliders, fills for whole sides.

A slider on square r attacks along a line of occupied squares o what `o ^ (o - 2r)` marks; the other direction is the
same on the board turned over. On a rank, where turning over changes nothing, a table of 512 bytes answers."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined
from agent.rules.bits import EVERYWHERE, NOT_FILE_A, NOT_FILE_H, NOT_FILES_AB, NOT_FILES_GH, ONE, Words, mirror, u64

_SQUARES: Final = np.arange(64)
_FILES: Final = (_SQUARES & 7) - (_SQUARES & 7)[:, None]  # [64, 64] from the first square to the second
_RANKS: Final = (_SQUARES >> 3) - (_SQUARES >> 3)[:, None]
_STEPS: Final = np.maximum(abs(_FILES), abs(_RANKS))  # of a king
_SLANTED: Final = (abs(_FILES) == abs(_RANKS)) & (_STEPS > 0)
_STRAIGHT: Final = (_FILES == 0) != (_RANKS == 0)


def _boards(squares: NDArray[np.bool_]) -> Words:
    """Bitboards of the squares along the last axis, [..., 64]."""
    return np.asarray((squares.astype(np.uint64) << _SQUARES.astype(np.uint64)).sum(-1), np.uint64)


def _rank_table() -> NDArray[np.uint8]:
    """[64 * 8] attacks along a rank by its six inner occupied squares and the slider's file."""
    table = np.zeros((64, 8), np.uint8)
    for inner in range(64):
        for file in range(8):
            for way in (range(file + 1, 8), range(file - 1, -1, -1)):
                for met in way:
                    table[inner, file] |= 1 << met
                    if (inner << 1) >> met & 1:
                        break
    return table.reshape(-1)


KNIGHT: Final = _boards(abs(_FILES * _RANKS) == 2)  # [64] knight's attacks
KING: Final = _boards(_STEPS == 1)  # [64] king's attacks
PAWN: Final = _boards((_RANKS == 1) & (abs(_FILES) == 1))  # [64] attacks of a pawn that moves up
ROOK_RAYS: Final = _boards(_STRAIGHT)  # [64] rook's attacks on an empty board
BISHOP_RAYS: Final = _boards(_SLANTED)  # [64] bishop's attacks on an empty board
_FILE: Final = _boards(_STRAIGHT & (_FILES == 0))
_DIAGONAL: Final = _boards(_SLANTED & (_FILES == _RANKS))
_ANTIDIAGONAL: Final = _boards(_SLANTED & (_FILES == -_RANKS))
_RANK: Final = _rank_table()
# [64, 64, 64] whether the third square is on the line through the other two.
_ON_LINE: Final = (_STRAIGHT | _SLANTED)[..., None] & (
    _FILES[:, None] * _RANKS[..., None] == _RANKS[:, None] * _FILES[..., None]
)
LINE: Final = _boards(_ON_LINE)  # [64, 64] the whole line through two squares
BETWEEN: Final = _boards(_ON_LINE & (_STEPS[:, None] < _STEPS[..., None]) & (_STEPS[None] < _STEPS[..., None]))
"""[64, 64] squares strictly between two squares on a line."""
for _constant in (KNIGHT, KING, PAWN, ROOK_RAYS, BISHOP_RAYS, _FILE, _DIAGONAL, _ANTIDIAGONAL, _RANK, BETWEEN, LINE):
    _constant.setflags(write=False)


@inlined
def _along(square: np.uint64, occupied: np.uint64, line: np.uint64) -> np.uint64:
    """Slider's attacks along a file or diagonal `line` that leaves out its own square."""
    blockers = occupied & line
    up = blockers - (ONE << square)
    down = mirror(mirror(blockers) - (ONE << (square ^ u64(56))))
    return (up ^ down) & line


@inlined
def bishop_attacks(square: np.uint64, occupied: np.uint64) -> np.uint64:
    """Attacks of a bishop on `square`."""
    return _along(square, occupied, _DIAGONAL[square]) | _along(square, occupied, _ANTIDIAGONAL[square])


@inlined
def rook_attacks(square: np.uint64, occupied: np.uint64) -> np.uint64:
    """Attacks of a rook on `square`."""
    first = square & u64(56)
    inner = (occupied >> (first + ONE)) & u64(63)
    rank = u64(_RANK[(inner << u64(3)) | (square & u64(7))]) << first
    return rank | _along(square, occupied, _FILE[square])


@inlined
def _shift(board: np.uint64, step: np.uint64, up: bool) -> np.uint64:
    return board << step if up else board >> step


@inlined
def _fill(sliders: np.uint64, free: np.uint64, step: np.uint64, edge: np.uint64, up: bool) -> np.uint64:
    """Kogge-Stone: attacks of all `sliders` at once, up to higher squares or down; `edge` stops wrapping."""
    free &= edge
    sliders |= free & _shift(sliders, step, up)
    free &= _shift(free, step, up)
    sliders |= free & _shift(sliders, step + step, up)
    free &= _shift(free, step + step, up)
    sliders |= free & _shift(sliders, step << u64(2), up)
    return _shift(sliders, step, up) & edge


@inlined
def slider_attacks(straight: np.uint64, diagonal: np.uint64, occupied: np.uint64) -> np.uint64:
    """Attacks of all `straight` (rooks and queens) and `diagonal` (bishops and queens) movers."""
    free = ~occupied
    rows = _fill(straight, free, u64(8), EVERYWHERE, True) | _fill(straight, free, u64(8), EVERYWHERE, False)
    rows |= _fill(straight, free, u64(1), NOT_FILE_A, True) | _fill(straight, free, u64(1), NOT_FILE_H, False)
    slants = _fill(diagonal, free, u64(9), NOT_FILE_A, True) | _fill(diagonal, free, u64(9), NOT_FILE_H, False)
    slants |= _fill(diagonal, free, u64(7), NOT_FILE_H, True) | _fill(diagonal, free, u64(7), NOT_FILE_A, False)
    return rows | slants


@inlined
def knight_attacks(knights: np.uint64) -> np.uint64:
    """Attacks of all `knights`."""
    one = ((knights >> u64(1)) & NOT_FILE_H) | ((knights << u64(1)) & NOT_FILE_A)
    two = ((knights >> u64(2)) & NOT_FILES_GH) | ((knights << u64(2)) & NOT_FILES_AB)
    return (one << u64(16)) | (one >> u64(16)) | (two << u64(8)) | (two >> u64(8))


@inlined
def pawn_attacks_up(pawns: np.uint64) -> np.uint64:
    """Attacks of all `pawns` of the side that moves up."""
    return ((pawns << u64(7)) & NOT_FILE_H) | ((pawns << u64(9)) & NOT_FILE_A)


@inlined
def pawn_attacks_down(pawns: np.uint64) -> np.uint64:
    """Attacks of all `pawns` of the side that moves down."""
    return ((pawns >> u64(7)) & NOT_FILE_A) | ((pawns >> u64(9)) & NOT_FILE_H)
