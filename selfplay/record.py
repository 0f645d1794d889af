"""A finished game as it is sent: once, whole, immutable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.rules import Games, Termination, to_board


@dataclass(frozen=True)
class RaggedPolicy:
    """Improved policies of T plies, legal moves only, at most 218 a ply: their one form from search to loss.

    A worked example: two plies, the first searched with weight on two moves, the second played without a search:
    offsets [0, 2, 2], indices [20, 102], probabilities [0.75, 0.25]."""

    offsets: NDArray[np.int64]  # [T + 1]; ply t's entries are offsets[t]:offsets[t + 1], none where it is no target
    indices: NDArray[np.uint16]  # vocabulary indices, ascending within a ply
    probabilities: NDArray[np.float16]  # of these moves after search; they sum to 1 within a ply

    def __len__(self) -> int:
        """T."""
        return len(self.offsets) - 1

    def plies(self, first: int, last: int) -> "RaggedPolicy":
        """Those of plies `first` up to, but without, `last`; views of the same arrays."""
        offsets = self.offsets[first : last + 1]
        entries = slice(offsets[0], offsets[-1])
        return RaggedPolicy(offsets - offsets[0], self.indices[entries], self.probabilities[entries])

    @staticmethod
    def empty(plies: int) -> "RaggedPolicy":
        """No targets at all, as from games that were played without search."""
        return RaggedPolicy(np.zeros(plies + 1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.float16))

    @staticmethod
    def joined(parts: Sequence["RaggedPolicy"]) -> "RaggedPolicy":
        """One after the other."""
        if not any(len(part.indices) for part in parts):
            return RaggedPolicy.empty(sum(len(part) for part in parts))
        counts = [part.offsets[1:] - part.offsets[:-1] for part in parts]  # np.diff takes five times as long
        return RaggedPolicy(
            np.concatenate([[0], *counts], dtype=np.int64).cumsum(),
            np.concatenate([np.zeros(0, np.uint16), *(part.indices for part in parts)]),
            np.concatenate([np.zeros(0, np.float16), *(part.probabilities for part in parts)]),
        )


@dataclass(frozen=True)
class GameRecord:
    """One self-play game, T plies long after its opening.

    A worked example: a game that starts after two random opening plies, in which White (to move first)
    mates with the third move it plays, has T = 5 and `outcome` 1; row 0 of `positions` is White to move."""

    game: str  # 32 hexadecimal digits, unique over all actors and restarts: the replay drops a second copy
    seed: int  # int64; fixes opening and samples
    version: int  # version of the weights that played the last ply (a game may span several)
    versions: NDArray[np.int32]  # [T] version of the weights that played each ply
    start: NDArray[np.uint64]  # [WORDS] packed position that the game began from: the standard start, but in old runs
    opening: NDArray[np.uint16]  # moves played from there before the policy took over, as vocabulary indices
    positions: NDArray[np.uint64]  # [T, WORDS] packed position before each ply, seen from the side to move
    moves: NDArray[np.uint16]  # [T] the move sampled, as vocabulary index seen from the side to move
    log_probs: NDArray[np.float32]  # [T] its log-probability under the policy that sampled it (the behaviour policy)
    values: NDArray[np.float32]  # [T] expected score -1..1 of the position for the side to move, by the network
    policies: RaggedPolicy  # of the T plies; empty where moves were sampled straight from the policy
    outcome: int  # 1 White won, 0 drawn or truncated, -1 Black won
    termination: Termination  # why the game ended
    balance: int  # material at the end, White minus Black, in pawns (1, 3, 3, 5, 9): what adjudication goes by

    @property
    def plies(self) -> int:
        """T, the plies played by the policy."""
        return len(self.moves)

    def board(self) -> chess.Board:
        """The final position, with all moves of the game on its stack."""
        board = to_board(self.start)
        for move in [*self.opening.tolist(), *self.moves.tolist()]:
            board.push_uci(vocabulary.to_uci(move, black=not board.turn))
        return board

    def check(self) -> None:
        """For a record of a file, which may hold anything: a ValueError or TypeError unless it is a game of chess."""
        plies, policies = len(self.moves), self.policies
        check_array(self.start, np.uint64, rules.WORDS)
        check_array(self.positions, np.uint64, plies, rules.WORDS)
        check_array(self.opening, np.uint16, len(self.opening))
        check_array(policies.offsets, np.int64, plies + 1)
        counts, entries = np.diff(policies.offsets), len(policies.indices)
        check_array(policies.indices, np.uint16, entries)
        check_array(policies.probabilities, np.float16, entries)
        check_array(self.moves, np.uint16, plies)
        check_array(self.versions, np.int32, plies)
        check_array(self.log_probs, np.float32, plies)
        check_array(self.values, np.float32, plies)
        types = {type(number) for number in (self.seed, self.version, self.outcome, self.balance)}
        if not (plies and types == {int} and abs(self.outcome) <= 1 and re.fullmatch("[0-9a-f]{32}", self.game)):
            raise ValueError("it has no plies, no result or no id")
        if policies.offsets[0] != 0 or policies.offsets[-1] != entries or counts.min() < 0:
            raise ValueError("its policies have other plies")
        rules.check_possible(self.start)
        games = Games(1)
        games.reset(positions=self.start[None])
        for move in self.opening:
            games.play([move])
        for position, move in zip(self.positions, self.moves, strict=True):
            if not np.array_equal(games.positions[0], position):
                raise ValueError("its moves lead to other positions")
            games.play([move])
        if not rules.is_legal(np.repeat(self.positions, counts, axis=0), policies.indices).all():
            raise ValueError("its policies hold moves that are not legal")


def check_array(array: Any, dtype: type[np.generic], *shape: int) -> None:
    """A ValueError unless it is an array of this type and shape without NaN or infinities."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        raise ValueError(f"not {np.dtype(dtype)} {list(shape)}: {getattr(array, 'dtype', type(array))}")
    if not np.isfinite(array).all():
        raise ValueError("a number is not finite")
