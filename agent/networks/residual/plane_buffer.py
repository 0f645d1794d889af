"""Input planes of the same games ply after ply, kept and mended instead of made anew.

A position's planes are 5,376 bytes, of which a move changes a few dozen. But planes are seen from the side
to move, so after one ply every piece stands elsewhere; after two it is seen again as before. Hence two arrays
in turn, each mended where it differs from what it showed two updates ago. It makes no difference to the
result what was shown before: other positions, other games, nothing.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined, njit, on_warm_up
from agent.networks.residual.planes import PER_PLY, PLANES
from agent.rules import start
from agent.rules.bits import ONE, Words, lowest, u64
from agent.rules.boundary import checked, spread
from agent.rules.record import CASTLING, OWN, STATE, WORDS, en_passant_bit, halfmove_clock, repetitions

_ARRAYS: Final = 2  # one for each side to move


@inlined
def _plane(position: Words, own: np.uint64, square: np.uint64) -> np.uint64:
    """The plane of the piece on `square`: 0..11; of an empty square any of these."""
    kind = (position[1] >> square) & ONE
    kind |= ((position[2] >> square) & ONE) << ONE
    kind += ((position[3] >> square) & ONE) * u64(3)
    kind |= ((position[4] >> square) & ONE) << u64(2)
    kind += ((position[5] >> square) & ONE) * u64(5)
    return u64(kind + u64(6) * (~(own >> square) & ONE))


@inlined
def _fill(out: NDArray[np.float32], row: np.uint64, plane: np.uint64, value: np.float32) -> None:
    first = plane * u64(64)
    for square in range(64):
        out[row, first + u64(square)] = value


@inlined
def _mend_state(out: NDArray[np.float32], row: np.uint64, before: np.uint64, after: np.uint64) -> None:
    """Planes 12..19, where they differ."""
    rights = (before ^ after) & CASTLING
    while rights:
        right = lowest(rights)
        _fill(out, row, u64(12) + right, np.float32((after >> right) & ONE))
        rights &= rights - ONE
    square = en_passant_bit(before) ^ en_passant_bit(after)
    while square:
        out[row, u64(1024) + lowest(square)] = np.float32((en_passant_bit(after) & square & ~(square - ONE)) != u64(0))
        square &= square - ONE
    for least in range(1, 3):
        occurred = repetitions(after) >= u64(least)
        if (repetitions(before) >= u64(least)) != occurred:
            _fill(out, row, u64(16 + least), np.float32(occurred))
    if halfmove_clock(before) != halfmove_clock(after):
        _fill(out, row, u64(19), np.float32(halfmove_clock(after)) * PER_PLY)


@njit
def _mend(positions: Words, shown: Words, out: NDArray[np.float32]) -> None:
    """`out` [B, PLANES * 64] shows `shown` [B, WORDS]; afterwards both are those of `positions`."""
    for i in range(positions.shape[0]):
        row = u64(i)  # unsigned, or Numba asks of each index whether it counts from the end
        after, before = positions[row], shown[row]
        own, owned = after[OWN], before[OWN]
        occupied, changed = u64(0), own ^ owned
        for kind in range(6):
            occupied |= after[kind]
            changed |= after[kind] ^ before[kind]
        while changed:
            square = lowest(changed)
            # Of an empty square's planes all are zero, so that one of them may be set to zero again.
            out[row, _plane(before, owned, square) * u64(64) + square] = np.float32(0.0)
            out[row, _plane(after, own, square) * u64(64) + square] = np.float32((occupied >> square) & ONE)
            changed &= changed - ONE
        if before[STATE] != after[STATE]:
            _mend_state(out, row, before[STATE], after[STATE])
        for word in range(WORDS):
            before[word] = after[word]


class PlaneBuffer:
    """Planes of B positions at a time, quickest where row by row they are those of games going on.

    Args:
        batch_size: B.
    """

    def __init__(self, batch_size: int) -> None:
        # A record of zeros, an empty board, shows nothing but the plane of ones.
        self._shown = np.zeros((_ARRAYS, batch_size, WORDS), np.uint64)
        self._planes = np.zeros((_ARRAYS, batch_size, PLANES, 8, 8), np.float32)
        self._planes[:, :, PLANES - 1] = 1.0
        self._turn = 0

    def __len__(self) -> int:
        return self._planes.shape[1]

    def update(self, positions: NDArray[np.uint64], *, threads: int = 1) -> NDArray[np.float32]:
        """Planes float32 [B, PLANES, 8, 8] of packed positions uint64 [B, WORDS], equal to `planes(positions)`.

        They are this buffer's own memory: read them, do not write, and not after the call after the next.

        Raises:
            ValueError: positions are not uint64 [B, WORDS] with B = `batch_size`.
        """
        positions = checked(positions)
        if len(positions) != len(self):
            raise ValueError(f"{len(positions)} positions for a buffer of {len(self)}")
        self._turn = (self._turn + 1) % _ARRAYS
        shown = self._shown[self._turn]
        result: NDArray[np.float32] = self._planes[self._turn]
        spread(_mend, threads, positions, shown, result.reshape(len(positions), PLANES * 64))
        return result


@on_warm_up
def _exercise() -> None:
    PlaneBuffer(1).update(start(1))
