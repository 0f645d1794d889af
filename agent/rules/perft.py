"""Perft: the number of lines of legal moves to a depth, the standard test of a move generator."""

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.bits import Words
from agent.rules.boundary import checked
from agent.rules.movegen import ROW, count_targets, find_targets, write_moves
from agent.rules.step import make_move


@njit
def _perft(root: Words, depth: int) -> np.int64:
    """Depth first without recursion, which Numba cannot load from its cache; leaves are counted in bulk."""
    targets = np.empty(64, np.uint64)
    line = np.empty((depth, root.shape[0]), np.uint64)
    moves = np.empty((depth, ROW), np.uint16)
    counts = np.zeros(depth, np.int64)
    played = np.zeros(depth, np.int64)
    line[0] = root
    total = np.int64(0)
    level = 0
    entered = True
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
        if played[level] < counts[level]:
            make_move(line[level], np.int64(moves[level, played[level]]), line[level + 1])
            played[level] += 1
            level += 1
            entered = True
        else:
            level -= 1
            entered = False
    return total


def perft(position: NDArray[np.uint64], depth: int) -> int:
    """Number of leaves `depth` plies below a position [WORDS].

    Raises:
        ValueError: `depth` is negative, or `position` is not uint64 [WORDS].
    """
    if depth < 0:
        raise ValueError(f"perft depth must not be negative, got {depth}")
    root = checked(np.asarray(position)[None])[0]
    return 1 if depth == 0 else int(_perft(root, depth))
