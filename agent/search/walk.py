"""One game's search step by step: begin at a position, walk to a leaf, take in what the network says of it.

Every step goes on from where the last one ended, so whoever evaluates leaves may do so in whatever batch,
or in the same compiled loop.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.bits import Words
from agent.rules.movegen import ROW, find_targets, write_moves
from agent.rules.record import WORDS
from agent.rules.repetition import repetition_key
from agent.search.leaf import MATES_NEXT, make_leaf
from agent.search.mates import mating_move
from agent.search.noise import gumbel_noise
from agent.search.selection import Scaling, descend
from agent.search.settings import SearchSettings, visit_schedule
from agent.search.tree import EDGE, NODE, Edges, Nodes, Path, back_up, clear_node, expand, settle
from agent.vocabulary import MAX_LEGAL

DEPTH: Final = 0
"""In `Tree.state`: plies from the root to the leaf that waits."""
SIMULATIONS: Final = 1
"""In `Tree.state`: simulations done."""
NODES: Final = 2
"""In `Tree.state`: nodes in use."""
EDGES: Final = 3
"""In `Tree.state`: edges in use."""


class Tree(NamedTuple):
    """One game's tree, N = simulations + 1 nodes at most; or, with a leading axis, those of G games."""

    positions: Words
    """uint64 [N, WORDS] by node."""
    nodes: Nodes
    """[N] of NODE."""
    edges: Edges
    """[218 N] of EDGE: only what is used is ever touched, so only that takes memory."""
    path: Path
    """int32 [N + 1, 2]."""
    state: NDArray[np.int64]
    """int64 [4]."""


class Knobs(NamedTuple):
    """`SearchSettings` as compiled code reads them."""

    schedule: NDArray[np.int32]
    scaling: Scaling
    policy_temperature: float
    gumbel_scale: float
    claim_draws: bool
    find_mates: bool


class Room(NamedTuple):
    """Room for one leaf at a time; every thread needs its own."""

    moves: NDArray[np.uint16]
    """[ROW] legal moves of the leaf that waits."""
    logits: NDArray[np.float32]
    """[ROW]."""
    noise: NDArray[np.float32]
    """[ROW]."""
    targets: Words
    """[64]."""
    position: Words
    """[WORDS]."""


def make_trees(games: int, simulations: int) -> Tree:
    """Trees of `games` games, each array with a leading axis of that size."""
    nodes = simulations + 1
    return Tree(
        np.empty((games, nodes, WORDS), np.uint64),
        np.empty((games, nodes), NODE),
        np.empty((games, nodes * MAX_LEGAL), EDGE),
        np.empty((games, nodes + 1, 2), np.int32),
        np.empty((games, 4), np.int64),
    )


def make_room() -> Room:
    """Room for one leaf."""
    return Room(
        np.empty(ROW, np.uint16),
        np.empty(ROW, np.float32),
        np.empty(ROW, np.float32),
        np.empty(64, np.uint64),
        np.empty(WORDS, np.uint64),
    )


def make_knobs(settings: SearchSettings) -> Knobs:
    """What compiled code reads of `settings`."""
    schedule = np.array(visit_schedule(min(settings.considered, MAX_LEGAL), settings.simulations))
    return Knobs(
        schedule,
        Scaling(float(settings.c_visit), float(settings.c_scale), bool(settings.rescale), float(settings.c_puct)),
        float(settings.policy_temperature),
        float(settings.gumbel_scale),
        bool(settings.claim_draws),
        bool(settings.find_mates),
    )


@njit
def begin(tree: Tree, position: Words, knobs: Knobs, moves: NDArray[np.uint16], room: Room) -> np.int64:
    """Make `position` the root and write its legal moves to `moves` [ROW].

    Returns:
        their number, for the network to weigh; 0 if the search is over at once, for the root mates in one;
        -1 if the position has no legal move or more than any reachable one.
    """
    root = np.int64(0)
    tree.positions[root, :] = position
    clear_node(tree.nodes, root, repetition_key(position))
    tree.path[0, 0] = 0
    tree.state[DEPTH] = 0
    tree.state[SIMULATIONS] = 0
    tree.state[NODES] = 1
    tree.state[EDGES] = 0
    find_targets(position, room.targets)
    count = write_moves(position, room.targets, moves)
    if count < 1:
        return np.int64(-1)
    if knobs.find_mates:
        mate = mating_move(position, moves, count, np.int64(0), room.position, room.targets)
        if mate >= 0:
            settle(tree.nodes, root, 1.0, np.int64(MATES_NEXT), np.int64(moves[mate]))
            return np.int64(0)
    return count


@njit
def take_in(
    tree: Tree,
    knobs: Knobs,
    moves: NDArray[np.uint16],
    logits: NDArray[np.float32],
    count: np.int64,
    value: float,
    stream: np.uint64,
    room: Room,
) -> bool:
    """Expand the leaf that waits with `logits` [count] of its `moves` and its `value`, and back it up.

    `stream` is where the root's noise comes from. Returns False for what no network may say, see `expand`.
    """
    depth = tree.state[DEPTH]
    noise, temperature = room.noise[:0], knobs.policy_temperature
    if depth == 0:
        for i in range(count):
            room.noise[i] = np.float32(knobs.gumbel_scale * gumbel_noise(stream, np.int64(moves[i])))
        noise, temperature = room.noise[:count], 1.0
    node = np.int64(tree.path[depth, 0])
    if not expand(tree.nodes, tree.edges, node, tree.state[EDGES], moves, logits, count, value, noise, temperature):
        return False
    tree.state[EDGES] += count
    if depth:
        back_up(tree.edges, tree.path, depth, value)
        tree.state[SIMULATIONS] += 1
    return True


@njit
def walk_on(
    tree: Tree, knobs: Knobs, history: Words, length: np.int64, moves: NDArray[np.uint16], room: Room
) -> np.int64:
    """Simulate on until a leaf waits for the network; leaves with exact values do not.

    Args:
        history, length: keys of the game's positions before the root.
        moves: uint16 [ROW], gets the leaf's legal moves.

    Returns:
        their number; 0 when all simulations are done.
    """
    state = tree.state
    while state[SIMULATIONS] < knobs.schedule.shape[1]:
        depth = descend(tree.nodes, tree.edges, tree.path, knobs.scaling, knobs.schedule, state[SIMULATIONS])
        if tree.path[depth, 0] < 0:
            count = make_leaf(
                tree.positions, tree.nodes, tree.edges, tree.path, depth, state[NODES], history, length,
                knobs.claim_draws, knobs.find_mates, moves, room.targets, room.position,
            )  # fmt: skip
            state[NODES] += 1
            if count != 0:
                state[DEPTH] = depth
                return count
        back_up(tree.edges, tree.path, depth, np.float64(tree.nodes[tree.path[depth, 0]].value))
        state[SIMULATIONS] += 1
    return np.int64(0)
