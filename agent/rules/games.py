"""Games in progress: positions, plies played, and the history that repetition needs."""

import functools
from collections.abc import Sequence
from typing import Self

import chess
import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent.compilation import njit, on_warm_up
from agent.rules import batch
from agent.rules.bits import Counts, Integers, Moves, Words, u64
from agent.rules.convert import from_board, from_fen, from_history
from agent.rules.layout import STATE, WORDS, checked, checked_moves
from agent.rules.record import count_repetitions, halfmove_clock, repetition_key, with_repetitions
from agent.rules.step import is_legal_move, make_move
from agent.vocabulary import SIZE

_CAPACITY = 160  # a game that ends by the 75-move rule needs 150 keys


@njit
def _play(
    positions: Words, ply: Counts, keys: Words, length: Counts, rows: Integers, moves: Integers, check: bool
) -> np.int64:
    """Play all moves and return -1; or, if one is not legal, its place among them, and play none."""
    illegal = -1
    for j in range(rows.shape[0]):
        fine = moves[j] >= 0 and moves[j] < SIZE
        if check:
            fine = is_legal_move(positions[rows[j]], moves[j])
        if not fine and illegal < 0:
            illegal = j
    for j in range(rows.shape[0] if illegal < 0 else 0):
        i = rows[j]
        keys[i, length[i]] = repetition_key(positions[i])
        make_move(positions[i], moves[j], positions[i])
        # Captures and pawn moves cannot be undone: history starts again.
        length[i] = length[i] + 1 if halfmove_clock(positions[i, STATE]) else 0
        count = count_repetitions(repetition_key(positions[i]), keys, i, length[i])
        positions[i, STATE] = with_repetitions(positions[i, STATE], count)
        ply[i] += 1
    return np.int64(illegal)


@njit
def _reset(positions: Words, ply: Counts, length: Counts, rows: Integers, fresh: Words) -> None:
    """`fresh` is [R, WORDS], or [1, WORDS] for all rows alike."""
    for j in range(rows.shape[0]):
        i = rows[j]
        positions[i] = fresh[j if fresh.shape[0] > 1 else 0]
        positions[i, STATE] = with_repetitions(positions[i, STATE], u64(0))
        ply[i], length[i] = 0, 0


@njit
def _admit(rows: Integers, batch: int, seen: NDArray[np.bool_]) -> bool:
    """Whether all rows lie in the batch and differ; `seen` [batch] is all False."""
    for j in range(rows.shape[0]):
        if rows[j] < 0 or rows[j] >= batch or seen[rows[j]]:
            return False
        seen[rows[j]] = True
    return True


@njit
def _successors(
    positions: Words, keys: Words, length: Counts, indices: Moves, offsets: Integers, children: Words, moves: Moves
) -> None:
    for i in range(positions.shape[0]):
        # Add the position to its own history for now: length[i] is beyond the last key.
        keys[i, length[i]] = repetition_key(positions[i])
        for child in range(offsets[i], offsets[i + 1]):
            move = indices[i, child - offsets[i]]
            moves[child] = move
            make_move(positions[i], np.int64(move), children[child])
            state = children[child, STATE]
            if halfmove_clock(state):
                occurred = count_repetitions(repetition_key(children[child]), keys, np.int64(i), length[i] + 1)
                children[child, STATE] = with_repetitions(state, occurred)


class Games:
    """B games in progress.

    positions: uint64 [B, WORDS], with repetitions counted; read them, change them by the methods.
    ply: int32 [B], plies played since the last reset."""

    def __init__(self, batch_size: int) -> None:
        self.positions = start(batch_size)
        self.ply = np.zeros(batch_size, np.int32)
        # Keys of the positions since the last capture or pawn move, without the present one.
        self._keys = np.zeros((batch_size, _CAPACITY), np.uint64)
        self._length = np.zeros(batch_size, np.int32)
        self._longest = 0  # no game has more keys
        self._all = np.arange(batch_size)

    @classmethod
    def from_boards(cls, boards: Sequence[chess.Board]) -> Self:
        """Games that continue from `boards`, with the history in their move stacks. Raises ValueError: an impossible
        position; the message quotes its FEN."""
        games = cls(len(boards))
        for row, board in enumerate(boards):
            games.positions[row] = from_board(board)
            history, earlier = [], board.copy(stack=board.halfmove_clock)
            while earlier.move_stack and earlier.halfmove_clock:
                earlier.pop()
                history.append(from_history(earlier))
            games._grow(len(history))
            if history:
                games._keys[row, : len(history)] = batch.keys(np.stack(history[::-1]))
            games._length[row] = len(history)
            games._longest = max(games._longest, len(history))
        return games

    def copy(self) -> Self:
        """An independent copy."""
        return self.take(np.arange(len(self)))

    def take(self, rows: ArrayLike) -> Self:
        """An independent copy of `rows` alone. Raises ValueError: a row does not exist or comes twice."""
        chosen = self._rows(rows)
        twin = type(self)(len(chosen))
        twin.positions, twin.ply = self.positions[chosen], self.ply[chosen]
        twin._keys, twin._length, twin._longest = self._keys[chosen], self._length[chosen], self._longest
        return twin

    def reset(self, rows: ArrayLike | None = None, positions: Words | None = None) -> None:
        """Start new games in `rows` (all), from `positions` [R, WORDS] or the start position, without history. Raises
        ValueError: a row does not exist or comes twice, or positions have another shape."""
        chosen = self._rows(rows)
        fresh = _start_position() if positions is None else checked(positions)
        if positions is not None and len(fresh) != len(chosen):
            raise ValueError(f"{len(fresh)} positions for {len(chosen)} games")
        _reset(self.positions, self.ply, self._length, chosen, fresh)

    def play(self, moves: ArrayLike, rows: ArrayLike | None = None, *, check: bool = True) -> None:
        """Play one move (vocabulary index) in each of `rows` (all). `check=False` trusts that the moves are legal, as
        those of `legal_moves` are. A ValueError where a move is not legal, or a row does not exist or comes twice; no
        game has changed."""
        chosen = self._rows(rows)
        array = checked_moves(moves, len(chosen))
        self._make_room()
        illegal = _play(self.positions, self.ply, self._keys, self._length, chosen, array, bool(check))
        if illegal >= 0:
            raise batch.illegal_move(array[illegal], chosen[illegal], self.positions[chosen[illegal]])
        self._longest += 1

    def successors(self) -> tuple[Words, Moves, Integers]:
        """All positions one legal move on, repetitions counted: positions [S, WORDS], moves uint16 [S], offsets int64
        [B + 1]; row b's are offsets[b]:offsets[b + 1], by ascending move."""
        indices, counts = batch.legal_moves(self.positions)
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        children = np.empty((int(offsets[-1]), WORDS), np.uint64)
        moves = np.empty(int(offsets[-1]), np.uint16)
        self._make_room()
        _successors(self.positions, self._keys, self._length, indices, offsets, children, moves)
        return children, moves, offsets

    def observe(self, claim_draws: bool = True, *, out: batch.Observation | None = None) -> batch.Observation:
        """`legal_moves` and `outcome` in one pass: indices uint16 [B, 218], counts int32 [B], codes uint8 [B]."""
        return batch.observe(self.positions, claim_draws=claim_draws, out=out)

    def outcome(self, claim_draws: bool = True) -> NDArray[np.uint8]:
        """`Termination` codes uint8 [B]."""
        return batch.outcome(self.positions, claim_draws=claim_draws)

    @property
    def history(self) -> tuple[Words, Counts]:
        """The positions since each game's last capture or pawn move, for counting repetitions: keys uint64 [B, K], as
        of `rules.keys`, oldest first, without the present one; lengths int32 [B], how many entries of a row are valid.
        Both are the games' own memory: read only, and valid until the next move."""
        return self._keys, self._length

    def __len__(self) -> int:
        return len(self.ply)

    def _rows(self, rows: ArrayLike | None) -> Integers:
        if rows is None:
            return self._all
        chosen = np.asarray(rows)
        if chosen.size == 0:
            return np.zeros(0, np.int64)
        if chosen.dtype == np.bool_ and chosen.shape == self.ply.shape:
            return np.flatnonzero(chosen)
        if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
            raise ValueError(f"rows must be integers [R] or a mask [B], not {chosen.dtype} {list(chosen.shape)}")
        chosen = np.require(chosen, np.int64, ["C", "W"])
        if not _admit(chosen, len(self.ply), np.zeros(len(self.ply), np.bool_)):
            raise ValueError(f"rows must lie in 0..{len(self.ply) - 1} and differ, not {chosen.tolist()}")
        return chosen

    def _make_room(self) -> None:
        """Make room for one more key a game: needed only beyond the 75-move rule."""
        if self._longest >= self._keys.shape[1]:
            self._longest = int(self._length.max(initial=0))
            self._grow(self._longest + 1)

    def _grow(self, needed: int) -> None:
        capacity = self._keys.shape[1]
        if needed > capacity:
            wider = np.zeros((len(self.ply), max(needed, 2 * capacity)), np.uint64)
            wider[:, :capacity] = self._keys
            self._keys = wider


def start(batch_size: int) -> Words:
    """[batch_size, WORDS] copies of the start position."""
    return np.repeat(_start_position(), batch_size, axis=0)


@functools.cache
def _start_position() -> Words:
    return from_fen(chess.STARTING_FEN)[None]


@on_warm_up
def _exercise() -> None:
    games = Games(1)
    indices, counts = batch.legal_moves(games.positions)
    batch.pack_moves(indices, counts)
    games.play(indices[:, 0])
    games.observe()
    games.outcome()
    games.successors()
    games.reset()
    for query in (batch.keys, batch.material, batch.count_moves):
        query(games.positions)
    batch.play(games.positions, batch.legal_moves(games.positions)[0][:, 0])
