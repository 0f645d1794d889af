"""A finished game as it is sent: once, whole, immutable."""

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from agent import vocabulary
from agent.rules import Termination, to_board


@dataclass(frozen=True)
class RaggedPolicy:
    """Improved policies of T plies, legal moves only, at most 218 a ply: their one form from search to loss.

    A worked example: two plies, the first searched with weight on two moves, the second played without a search:
    offsets [0, 2, 2], indices [20, 102], probabilities [0.75, 0.25].
    """

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
    mates with the third move it plays, has T = 5 and `outcome` 1; row 0 of `positions` is White to move.
    """

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
