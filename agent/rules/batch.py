"""Playing whole batches: legal moves, moving, outcomes; compiled loops without the interpreter lock.

B positions are uint64 [B, WORDS], C-contiguous, and trusted to be well formed.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent.compilation import inlined, njit
from agent.rules.bits import Words
from agent.rules.boundary import checked, checked_counts, checked_moves, output
from agent.rules.convert import describe
from agent.rules.movegen import ROW, count_targets, find_targets, in_check, write_moves
from agent.rules.step import is_legal_move, make_move
from agent.rules.termination import termination
from agent.vocabulary import LEGAL_WORDS, MAX_LEGAL, SIZE

NO_MOVE: Final = 65535
"""Fills the rest of a row of legal moves."""


@inlined
def _write_row(position: Words, targets: Words, moves: NDArray[np.uint16], row: NDArray[np.uint16]) -> np.int64:
    """Write the legal moves to `row` [218], filled up with NO_MOVE; return their number, -1 if there are more."""
    find_targets(position, targets)
    count = write_moves(position, targets, moves)
    for j in range(MAX_LEGAL):
        row[j] = moves[j] if j < count else np.uint16(NO_MOVE)
    return count


@njit
def _legal_moves(positions: Words, rows: NDArray[np.uint16], counts: NDArray[np.int32]) -> bool:
    targets, moves, fit = np.empty(64, np.uint64), np.empty(ROW, np.uint16), True
    for i in range(positions.shape[0]):
        counts[i] = _write_row(positions[i], targets, moves, rows[i])
        fit = bool(fit and counts[i] >= 0)
    return fit


@njit
def _observe(
    claim_draws: bool,
    positions: Words,
    rows: NDArray[np.uint16],
    counts: NDArray[np.int32],
    codes: NDArray[np.uint8],
) -> bool:
    targets, moves, fit = np.empty(64, np.uint64), np.empty(ROW, np.uint16), True
    for i in range(positions.shape[0]):
        counts[i] = count = _write_row(positions[i], targets, moves, rows[i])
        fit = bool(fit and count >= 0)
        check = False if count else in_check(positions[i])
        codes[i] = termination(positions[i], count != 0, check, claim_draws)
    return fit


@njit
def _count_moves(positions: Words, counts: NDArray[np.int32]) -> None:
    targets = np.empty(64, np.uint64)
    for i in range(positions.shape[0]):
        find_targets(positions[i], targets)
        counts[i] = count_targets(positions[i], targets)


@njit
def _pack_moves(rows: NDArray[np.uint16], counts: NDArray[np.int32], bits: NDArray[np.uint32]) -> None:
    for i in range(rows.shape[0]):
        bits[i, :] = 0
        for j in range(min(counts[i], rows.shape[1])):
            move = np.uint32(rows[i, j])
            if move < np.uint32(SIZE):
                bits[i, move >> np.uint32(5)] |= np.uint32(1) << (move & np.uint32(31))


@njit
def _play(positions: Words, moves: NDArray[np.int64]) -> None:
    for i in range(positions.shape[0]):
        make_move(positions[i], moves[i], positions[i])


@njit
def _is_legal(positions: Words, moves: NDArray[np.int64], legal: NDArray[np.bool_]) -> None:
    for i in range(positions.shape[0]):
        legal[i] = is_legal_move(positions[i], moves[i])


@njit
def _outcome(positions: Words, counts: NDArray[np.int32], claim_draws: bool, codes: NDArray[np.uint8]) -> None:
    for i in range(positions.shape[0]):
        has_move = counts[i] > 0
        check = False if has_move else in_check(positions[i])
        codes[i] = termination(positions[i], has_move, check, claim_draws)


def legal_moves(positions: NDArray[np.uint64]) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Legal moves of positions [B, WORDS] as vocabulary indices.

    Returns:
        indices uint16 [B, 218], ascending, the rest of each row 65535; and counts int32 [B].

    Raises:
        ValueError: a position has more than 218 moves, which no reachable one has.
    """
    positions = checked(positions)
    rows, counts = np.empty((len(positions), MAX_LEGAL), np.uint16), np.empty(len(positions), np.int32)
    if not _legal_moves(positions, rows, counts):
        raise _too_many_moves(counts)
    return rows, counts


def observe(
    positions: NDArray[np.uint64],
    *,
    claim_draws: bool,
    out: tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.uint8]] | None = None,
) -> tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.uint8]]:
    """`legal_moves` and `outcome` in one pass: indices uint16 [B, 218], counts int32 [B], codes uint8 [B].

    Raises:
        ValueError: a position has more than 218 moves, which no reachable one has.
    """
    positions = checked(positions)
    rows, counts, codes = out if out is not None else (None, None, None)
    rows = output(rows, (len(positions), MAX_LEGAL), np.uint16)
    counts = output(counts, (len(positions),), np.int32)
    codes = output(codes, (len(positions),), np.uint8)
    if not _observe(bool(claim_draws), positions, rows, counts, codes):
        raise _too_many_moves(counts)
    return rows, counts, codes


def _too_many_moves(counts: NDArray[np.int32]) -> ValueError:
    return ValueError(f"position {counts.argmin()} of the batch has more than {MAX_LEGAL} legal moves")


def count_moves(positions: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Number of legal moves, int32 [B]."""
    positions = checked(positions)
    counts = np.empty(len(positions), np.int32)
    _count_moves(positions, counts)
    return counts


def pack_moves(indices: NDArray[np.uint16], counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Rows of `legal_moves` as packed legality int32 [B, 59]: bit i of word w is move 32 w + i.

    Raises:
        ValueError: an array has another shape or dtype.
    """
    if indices.dtype != np.uint16 or indices.ndim != 2:
        raise ValueError(f"indices must be uint16 [B, {MAX_LEGAL}], not {indices.dtype} {list(indices.shape)}")
    bits = np.empty((len(indices), LEGAL_WORDS), np.int32)
    _pack_moves(np.require(indices, None, ["C", "W"]), checked_counts(counts, len(indices)), bits.view(np.uint32))
    return bits


def legal_bits(positions: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Packed legality int32 [B, 59] of positions [B, WORDS]: bit i of word w is move 32 w + i."""
    return pack_moves(*legal_moves(positions))


def is_legal(positions: NDArray[np.uint64], moves: ArrayLike) -> NDArray[np.bool_]:
    """Whether each of `moves` [B] is legal, bool [B]; derived without the move generator."""
    positions = checked(positions)
    legal = np.empty(len(positions), np.bool_)
    _is_legal(positions, checked_moves(moves, len(positions)), legal)
    return legal


def illegal_move(move: np.int64, row: np.int64, position: Words) -> ValueError:
    """The error that names move, row and position."""
    return ValueError(f"move {move} of row {row} is not legal in {describe(position)}")


def play(positions: NDArray[np.uint64], moves: ArrayLike) -> None:
    """Play one move (vocabulary index) in each of positions [B, WORDS], in place.

    Repetitions become 0: a position alone knows no history (`Games` does).

    Raises:
        ValueError: a move is not legal; no position has been changed.
    """
    positions = checked(positions, write=True)
    array = checked_moves(moves, len(positions))
    legal = np.empty(len(positions), np.bool_)
    _is_legal(positions, array, legal)
    if not legal.all():
        row = np.int64(legal.argmin())
        raise illegal_move(array[row], row, positions[row])
    _play(positions, array)


def outcome(
    positions: NDArray[np.uint64], *, claim_draws: bool, counts: NDArray[np.int32] | None = None
) -> NDArray[np.uint8]:
    """`Termination` codes uint8 [B], as python-chess's `Board.outcome` orders them.

    With `claim_draws` the game also ends where a draw could be claimed for the position on the
    board: 50 moves, threefold repetition. `counts` [B] of `legal_moves` saves counting them again.
    """
    positions = checked(positions)
    counts = count_moves(positions) if counts is None else checked_counts(counts, len(positions))
    codes = np.empty(len(positions), np.uint8)
    _outcome(positions, counts, bool(claim_draws), codes)
    return codes
