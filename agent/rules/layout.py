"""What compiled code takes: which of the eight words of a packed position holds what (see `record`), and the checks of
arrays on their way in.

Compiled code checks no bounds. Here every array gets the one dtype and layout that the code was compiled for, so that
it can neither read nor write outside an array."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

WORDS: Final = 8  # uint64 words of a packed position
PAWNS: Final = 0
KNIGHTS: Final = 1
BISHOPS: Final = 2
ROOKS: Final = 3
QUEENS: Final = 4
KINGS: Final = 5
OWN: Final = 6
STATE: Final = 7
PIECE_VALUES: Final = (1, 3, 3, 5, 9)  # material in pawns, by the word of the piece: pawn, knight, bishop, rook, queen


def checked(positions: NDArray[np.uint64], *, write: bool = False) -> NDArray[np.uint64]:
    """`positions`, or a copy of them where compiled code needs another layout. Raises ValueError: not uint64 [B,
    WORDS]; with `write`, also not writeable or not C-contiguous."""
    if not isinstance(positions, np.ndarray) or positions.dtype != np.uint64:
        raise ValueError(f"positions must be a uint64 array, not {getattr(positions, 'dtype', type(positions))}")
    if positions.ndim != 2 or positions.shape[1] != WORDS:
        raise ValueError(f"positions must have the shape [B, {WORDS}], not {list(positions.shape)}")
    if positions.flags.writeable and positions.flags.c_contiguous and positions.flags.aligned:
        return positions
    if write:
        raise ValueError("positions to be changed must be a writeable, C-contiguous array")
    return np.array(positions, np.uint64, order="C")


def checked_moves(moves: ArrayLike, batch: int) -> NDArray[np.int64]:
    """`moves` as int64 [batch]; a ValueError unless they are integers, one a position."""
    array = np.asarray(moves)
    if (array.dtype.kind not in "iu" and array.size) or array.shape != (batch,):
        raise ValueError(f"moves must be integers of shape [{batch}], not {array.dtype} {list(array.shape)}")
    return np.require(array, np.int64, ["C", "W"])


def checked_counts(counts: NDArray[np.int32], batch: int) -> NDArray[np.int32]:
    """`counts` of legal moves; a ValueError unless they are int32 [batch]."""
    if counts.dtype != np.int32 or counts.shape != (batch,):
        raise ValueError(f"counts must be int32 [{batch}], not {counts.dtype} {list(counts.shape)}")
    return np.require(counts, None, ["C", "W"])


def output(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """`out`, or a fresh array; a ValueError if `out` has another shape, dtype or layout."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        wanted = f"{np.dtype(dtype).name} {list(shape)}, writeable and C-contiguous"
        raise ValueError(f"out must be {wanted}, not {out.dtype.name} {list(out.shape)}")
    return out
