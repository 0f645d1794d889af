"""Leaves in chess: the position after a move, its repetitions, and whether its value is known exactly."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.bits import NOTHING, Words, u64
from agent.rules.layout import STATE, WORDS
from agent.rules.mates import mating_move
from agent.rules.movegen import ROW, find_targets, write_moves
from agent.rules.record import MAX_REPETITIONS, halfmove_clock, repetition_key, with_repetitions
from agent.rules.step import make_move
from agent.rules.termination import termination
from agent.search.gumbel.tree import NODES, Nodes, Path, Tree, attach, clear_node, settle

MATES_NEXT: Final = 64  # why a node is exact, besides the codes of `rules.Termination`: its side to move mates at once
_CHECKMATE: Final = 1


class Scratch(NamedTuple):
    """Scratch memory for one leaf at a time; every thread needs its own."""

    moves: NDArray[np.uint16]  # [ROW] legal moves of the leaf that waits
    logits: NDArray[np.float32]  # [ROW]
    noise: NDArray[np.float32]  # [ROW]
    targets: Words  # [64]
    position: Words  # [WORDS]


def make_scratch() -> Scratch:
    """Scratch memory for one leaf."""
    floats = np.empty(ROW, np.float32), np.empty(ROW, np.float32)
    return Scratch(np.empty(ROW, np.uint16), *floats, np.empty(64, np.uint64), np.empty(WORDS, np.uint64))


@njit
def earlier_occurrences(
    nodes: Nodes, path: Path, depth: np.int64, key: np.uint64, clock: np.uint64, history: Words, length: np.int64
) -> np.uint64:
    """How often the position `key`, `depth` plies below the root, stood on the board before; at most 4.

    Counts in the line `path` and in the `length` keys `history` of the game before the root. Only every
    second position has the same side to move, and none before the last capture or pawn move can return.
    """
    count = NOTHING
    for back in range(4, np.int64(clock) + 1, 2):
        if back <= depth:
            earlier = nodes[path[depth - back, 0]].key
        else:
            place = length - (back - depth)
            if place < 0:
                break
            earlier = history[place]
        if earlier == key:
            count += u64(1)
            if count == MAX_REPETITIONS:
                break
    return count


@njit
def make_leaf(
    tree: Tree, depth: np.int64, history: Words, length: np.int64, moves: NDArray[np.uint16], scratch: Scratch
) -> np.int64:
    """Add the node under the last edge of `tree.path`, `depth` plies below the root. `history` holds the `length` keys
    of the game before the root; `moves` uint16 [ROW] gets the legal moves. Their number, for the network to weigh; 0 if
    the node's value is exact: mate, a draw by rule, or a mate in one; -1 if there are more than are possible."""
    nodes, edges, path, targets = tree.nodes, tree.edges, tree.path, scratch.targets
    leaf = tree.state[NODES]
    tree.state[NODES] += 1
    parent, edge = np.int64(path[depth - 1, 0]), np.int64(path[depth - 1, 1])
    position = tree.positions[leaf]
    make_move(tree.positions[parent], np.int64(edges[edge].action), position)
    key = repetition_key(position)
    clear_node(nodes, leaf, key)
    attach(nodes, edges, parent, edge, leaf)
    path[depth, 0] = leaf
    clock = halfmove_clock(position[STATE])
    if clock >= u64(4):
        count = earlier_occurrences(nodes, path, depth, key, clock, history, length)
        position[STATE] = with_repetitions(position[STATE], count)
    find_targets(position, targets)
    legal = write_moves(position, targets, moves)
    code = termination(position, legal != 0, True)
    if code:
        settle(nodes, leaf, -1.0 if code == _CHECKMATE else 0.0, code, np.int64(-1))
        return np.int64(0)
    if legal > 0:
        mate = mating_move(position, moves, legal, np.int64(0), scratch.position, targets)
        if mate >= 0:
            settle(nodes, leaf, 1.0, np.int64(MATES_NEXT), np.int64(moves[mate]))
            return np.int64(0)
    return legal
