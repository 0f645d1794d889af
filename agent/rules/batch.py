"""The calls on whole batches: legal moves, moving, outcomes, queries, perft; compiled, without the interpreter lock.

B positions are uint64 [B, WORDS], C-contiguous, and trusted to be well formed."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent.compilation import inlined, njit
from agent.rules.bits import Counts, Moves, Words, popcount
from agent.rules.convert import describe
from agent.rules.layout import OWN, PIECE_VALUES, STATE, checked, checked_counts, checked_moves, output
from agent.rules.movegen import ROW, count_targets, find_targets, write_moves
from agent.rules.record import BLACK, repetition_key
from agent.rules.step import is_legal_move, make_move
from agent.rules.termination import termination
from agent.vocabulary import LEGAL_WORDS, MAX_LEGAL, SIZE

NO_MOVE: Final = 65535  # fills the rest of a row of legal moves
Observation = tuple[Moves, Counts, NDArray[np.uint8]]
"""Legal moves [B, 218], their numbers [B], `Termination` codes [B]."""


@njit
def _observe(positions: Words, claim_draws: bool, rows: Moves, counts: Counts, codes: NDArray[np.uint8]) -> bool:
    """Rows are filled up with NO_MOVE; a count is -1, and the result False, where there are more than 218 moves."""
    targets, moves, fit = np.empty(64, np.uint64), np.empty(ROW, np.uint16), True
    for i in range(positions.shape[0]):
        find_targets(positions[i], targets)
        counts[i] = count = write_moves(positions[i], targets, moves)
        for j in range(MAX_LEGAL):
            rows[i, j] = moves[j] if j < count else np.uint16(NO_MOVE)
        fit = bool(fit and count >= 0)
        codes[i] = termination(positions[i], count != 0, claim_draws)
    return fit


@njit
def _count_moves(positions: Words, counts: Counts) -> None:
    targets = np.empty(64, np.uint64)
    for i in range(positions.shape[0]):
        find_targets(positions[i], targets)
        counts[i] = count_targets(positions[i], targets)


@njit
def _pack_moves(rows: Moves, counts: Counts, bits: NDArray[np.uint32]) -> None:
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
def _outcome(positions: Words, claim_draws: bool, codes: NDArray[np.uint8]) -> None:
    targets = np.empty(64, np.uint64)
    for i in range(positions.shape[0]):
        find_targets(positions[i], targets)
        codes[i] = termination(positions[i], count_targets(positions[i], targets) != 0, claim_draws)


@inlined
def material_of(position: Words) -> np.int64:
    """Material of the side to move minus the opponent's in one position, by `PIECE_VALUES`."""
    own = position[OWN]
    total = np.int64(0)
    for kind in range(len(PIECE_VALUES)):
        pieces = position[kind]
        total += PIECE_VALUES[kind] * (np.int64(popcount(pieces & own)) - np.int64(popcount(pieces & ~own)))
    return total


@njit
def _material(positions: Words, balance: NDArray[np.int32]) -> None:
    for i in range(positions.shape[0]):
        balance[i] = material_of(positions[i])


@njit
def _keys(positions: Words, keys: Words) -> None:
    for i in range(positions.shape[0]):
        keys[i] = repetition_key(positions[i])


@njit
def _perft(root: Words, depth: int) -> np.int64:
    """Depth first without recursion, which Numba cannot load from its cache; leaves are counted in bulk."""
    targets = np.empty(64, np.uint64)
    line = np.empty((depth, root.shape[0]), np.uint64)
    moves = np.empty((depth, ROW), np.uint16)
    counts, played = np.zeros(depth, np.int64), np.zeros(depth, np.int64)
    line[0] = root
    total, level, entered = np.int64(0), 0, True
    while level >= 0:
        if entered:
            find_targets(line[level], targets)
            if level == depth - 1:
                total += count_targets(line[level], targets)
                level -= 1
                entered = False
                continue
            counts[level] = write_moves(line[level], targets, moves[level])
            played[level] = 0
        entered = bool(played[level] < counts[level])
        if entered:
            make_move(line[level], np.int64(moves[level, played[level]]), line[level + 1])
            played[level] += 1
        level += 1 if entered else -1
    return total


def _each(loop: Callable[..., Any], positions: Words, dtype: type[np.generic], *more: Any) -> NDArray[Any]:
    """[B] what compiled `loop(positions, *more, answers)` writes to `answers`."""
    positions = checked(positions)
    answers = np.empty(len(positions), dtype)
    loop(positions, *more, answers)
    return answers


def legal_moves(positions: Words) -> tuple[Moves, Counts]:
    """Legal moves of positions [B, WORDS] as vocabulary indices uint16 [B, 218], ascending, the rest of each row 65535;
    and counts int32 [B]. A ValueError where a position has more than 218 moves, which no reachable one has."""
    rows, counts, _ = observe(positions, claim_draws=False)
    return rows, counts


def observe(positions: Words, *, claim_draws: bool, out: Observation | None = None) -> Observation:
    """`legal_moves` and `outcome` in one pass: indices uint16 [B, 218], counts int32 [B], codes uint8 [B]. Raises
    ValueError: a position has more than 218 moves, which no reachable one has."""
    positions = checked(positions)
    rows, counts, codes = out if out is not None else (None, None, None)
    rows = output(rows, (len(positions), MAX_LEGAL), np.uint16)
    counts = output(counts, (len(positions),), np.int32)
    codes = output(codes, (len(positions),), np.uint8)
    if not _observe(positions, bool(claim_draws), rows, counts, codes):
        raise ValueError(f"position {counts.argmin()} of the batch has more than {MAX_LEGAL} legal moves")
    return rows, counts, codes


def count_moves(positions: Words) -> Counts:
    """Number of legal moves, int32 [B]."""
    return _each(_count_moves, positions, np.int32)


def pack_moves(indices: Moves, counts: Counts) -> NDArray[np.int32]:
    """Rows of `legal_moves` as packed legality int32 [B, 59]: bit i of word w is move 32 w + i. Raises ValueError: an
    array has another shape or dtype."""
    if indices.dtype != np.uint16 or indices.ndim != 2:
        raise ValueError(f"indices must be uint16 [B, {MAX_LEGAL}], not {indices.dtype} {list(indices.shape)}")
    bits = np.empty((len(indices), LEGAL_WORDS), np.int32)
    _pack_moves(np.require(indices, None, ["C", "W"]), checked_counts(counts, len(indices)), bits.view(np.uint32))
    return bits


def legal_bits(positions: Words) -> NDArray[np.int32]:
    """Packed legality int32 [B, 59] of positions [B, WORDS]: bit i of word w is move 32 w + i."""
    return pack_moves(*legal_moves(positions))


def is_legal(positions: Words, moves: ArrayLike) -> NDArray[np.bool_]:
    """Whether each of `moves` [B] is legal, bool [B]; derived without the move generator."""
    return _each(_is_legal, positions, np.bool_, checked_moves(moves, len(positions)))


def illegal_move(move: np.int64, row: np.int64, position: Words) -> ValueError:
    """The error that names move, row and position."""
    return ValueError(f"move {move} of row {row} is not legal in {describe(position)}")


def play(positions: Words, moves: ArrayLike) -> None:
    """Play one move (vocabulary index) in each of positions [B, WORDS], in place. Repetitions become 0: a position
    alone knows no history (`Games` does). A ValueError where a move is not legal; no position has been changed."""
    positions = checked(positions, write=True)
    array = checked_moves(moves, len(positions))
    legal = is_legal(positions, array)
    if not legal.all():
        row = np.int64(legal.argmin())
        raise illegal_move(array[row], row, positions[row])
    _play(positions, array)


def outcome(positions: Words, *, claim_draws: bool) -> NDArray[np.uint8]:
    """`Termination` codes uint8 [B], as python-chess's `Board.outcome` orders them.

    With `claim_draws` the game also ends where a draw could be claimed for the position on the board: 50 moves,
    threefold repetition."""
    return _each(_outcome, positions, np.uint8, bool(claim_draws))


def is_black(positions: Words) -> NDArray[np.bool_]:
    """Whether Black is to move, bool [B]."""
    return np.asarray((checked(positions)[:, STATE] & BLACK) != 0, np.bool_)


def material(positions: Words) -> NDArray[np.int32]:
    """Material of the side to move minus the opponent's, int32 [B], by `PIECE_VALUES`."""
    return _each(_material, positions, np.int32)


def keys(positions: Words) -> Words:
    """Repetition keys uint64 [B]: equal for equal positions, whatever their clocks."""
    return _each(_keys, positions, np.uint64)


def perft(position: Words, depth: int) -> int:
    """Number of leaves `depth` plies below a position [WORDS]: the standard test of a move generator. Raises
    ValueError: `depth` is negative, or `position` is not uint64 [WORDS]."""
    if depth < 0:
        raise ValueError(f"perft depth must not be negative, got {depth}")
    root = checked(np.asarray(position)[None])[0]
    return 1 if depth == 0 else int(_perft(root, depth))
