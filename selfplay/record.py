"""A finished game as it is shipped: once, whole, frozen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.rules import Termination


@dataclass(frozen=True)
class GameRecord:
    """One self-play game, T plies long after its opening.

    A worked example: a game that starts after two random opening plies, in which White (to move first)
    mates with the third move it plays, has T = 5 and `outcome` 1; row 0 of `positions` is White to move.
    """

    game: str
    """32 hexadecimal digits, unique over all actors and restarts: the replay drops a second copy."""
    seed: int
    """Fixes opening and samples: int64."""
    version: int
    """Version of the weights that played the last ply (a game may span several)."""
    versions: NDArray[np.int32]
    """[T] version of the weights that played each ply."""
    opening: NDArray[np.uint16]
    """Moves played at random before the policy took over, as vocabulary indices from the standard start."""
    positions: NDArray[np.uint64]
    """[T, WORDS] packed position before each ply, seen from the side to move."""
    moves: NDArray[np.uint16]
    """[T] the move sampled, as vocabulary index seen from the side to move."""
    log_probs: NDArray[np.float32]
    """[T] its log-probability under the policy that sampled it (the behaviour policy), in nats."""
    values: NDArray[np.float32]
    """[T] expected score -1..1 of the position for the side to move, by the network that played."""
    outcome: int
    """1 White won, 0 drawn or capped, -1 Black won."""
    termination: Termination
    """Why the game ended."""
    balance: int
    """Material at the end, White minus Black, in pawns (1, 3, 3, 5, 9): what adjudication goes by."""

    @property
    def plies(self) -> int:
        """T, the plies played by the policy."""
        return len(self.moves)
