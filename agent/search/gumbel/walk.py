"""One game's search step by step: begin at a position, walk to a leaf, take in what the network says of it. Leaves are
known exactly where the rules decide: mates, mates in one, draws by rule.

Every step continues where the last one ended, so leaves can be evaluated in batches of any size, or in the same
compiled loop."""

import math
from typing import Final, NamedTuple

import numpy as np

from agent.compilation import inlined
from agent.rules.bits import NOTHING, Counts, Floats, Moves, Words, u64
from agent.rules.layout import STATE, WORDS
from agent.rules.movegen import ROW, find_targets, write_moves
from agent.rules.record import MAX_REPETITIONS, halfmove_clock, repetition_key, with_repetitions
from agent.rules.step import make_move
from agent.rules.termination import mating_move, termination
from agent.search.gumbel.selection import Scaling, descend
from agent.search.gumbel.tree import (
    COUNTERS,
    EDGE,
    NODE,
    Nodes,
    Path,
    Tree,
    attach,
    back_up,
    clear_node,
    expand,
    settle,
)
from agent.search.settings import SearchSettings, visit_schedule
from agent.vocabulary import MAX_LEGAL
from kernels.splitmix import GOLDEN, finalise

MATES_NEXT: Final = 64  # why a node is exact, besides the codes of `rules.Termination`: its side to move mates at once
_CHECKMATE: Final = 1


class SearchParams(NamedTuple):
    """`SearchSettings` as compiled code reads them."""

    schedule: Counts
    scaling: Scaling
    policy_temperature: float
    gumbel_scale: float


class Scratch(NamedTuple):
    """Scratch memory for one leaf at a time; every thread needs its own."""

    moves: Moves  # [ROW] legal moves of the leaf that waits
    logits: Floats  # [ROW]
    noise: Floats  # [ROW]
    targets: Words  # [64]
    position: Words  # [WORDS]


def make_trees(games: int, simulations: int) -> Tree:
    """Trees of `games` games, each array with a leading axis of that size."""
    nodes = simulations + 1
    positions, path = np.empty((games, nodes, WORDS), np.uint64), np.empty((games, nodes + 1, 2), np.int32)
    edges, state = np.empty((games, nodes * MAX_LEGAL), EDGE), np.empty((games, 1), COUNTERS)
    return Tree(positions, np.empty((games, nodes), NODE), edges, path, state)


def make_params(settings: SearchSettings) -> SearchParams:
    """What compiled code reads of `settings`."""
    schedule = np.array(visit_schedule(min(settings.considered, MAX_LEGAL), settings.simulations))
    scaling = Scaling(float(settings.c_visit), float(settings.c_scale), float(settings.c_puct))
    return SearchParams(schedule, scaling, float(settings.policy_temperature), float(settings.gumbel_scale))


def make_scratch() -> Scratch:
    """Scratch memory for one leaf."""
    floats = np.empty(ROW, np.float32), np.empty(ROW, np.float32)
    return Scratch(np.empty(ROW, np.uint16), *floats, np.empty(64, np.uint64), np.empty(WORDS, np.uint64))


@inlined
def noise_stream(seed: np.uint64, key: np.uint64, ply: np.int64) -> np.uint64:
    """The noise of one ply of one game: it does not depend on the rest of the batch."""
    return finalise(finalise(finalise(seed + GOLDEN) ^ key) + u64(ply) * GOLDEN)


@inlined
def gumbel_noise(stream: np.uint64, move: np.int64) -> float:
    """Standard Gumbel noise of vocabulary index `move`: -log(-log(u)), u uniform in (0, 1)."""
    bits = finalise(stream + (u64(move) + u64(1)) * GOLDEN) >> u64(11)
    return -math.log(-math.log((np.float64(bits) + 0.5) * 2.0**-53))


@inlined
def earlier_occurrences(
    nodes: Nodes, path: Path, depth: np.int64, key: np.uint64, clock: np.uint64, history: Words, length: np.int64
) -> np.uint64:
    """How often the position `key`, `depth` plies below the root, stood on the board before; at most 4. Counts in the
    line `path` and in the `length` keys `history` of the game before the root. Only every second position has the same
    side to move, and none before the last capture or pawn move can return."""
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


@inlined
def make_leaf(
    tree: Tree, depth: np.int64, history: Words, length: np.int64, moves: Moves, scratch: Scratch
) -> np.int64:
    """Add the node under the last edge of `tree.path`, `depth` plies below the root. `history` holds the `length` keys
    of the game before the root; `moves` uint16 [ROW] gets the legal moves. Their number, for the network to weigh; 0 if
    the node's value is exact: mate, a draw by rule, or a mate in one; -1 if there are more than are possible."""
    nodes, edges, path, targets = tree.nodes, tree.edges, tree.path, scratch.targets
    leaf = tree.state[0].nodes
    tree.state[0].nodes += 1
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


@inlined
def begin(tree: Tree, position: Words, moves: Moves, scratch: Scratch) -> np.int64:
    """Empty the tree, make `position` its root and write its legal moves to `moves` [ROW]; their number. 0 if the
    search is over at once, for the root mates in one; -1 if there is no legal move or more than are possible."""
    tree.positions[0, :] = position
    clear_node(tree.nodes, np.int64(0), repetition_key(position))
    tree.path[0, 0] = 0
    state = tree.state[0]
    state.depth = state.simulations = state.edges = state.plies = state.deepest = 0
    state.nodes = 1
    find_targets(position, scratch.targets)
    count = write_moves(position, scratch.targets, moves)
    if count < 1:
        return np.int64(-1)
    mate = mating_move(position, moves, count, np.int64(0), scratch.position, scratch.targets)
    if mate >= 0:
        settle(tree.nodes, np.int64(0), 1.0, np.int64(MATES_NEXT), np.int64(moves[mate]))
        return np.int64(0)
    return count


@inlined
def take_in(
    tree: Tree, params: SearchParams, moves: Moves, logits: Floats, count: np.int64, value: float, stream: np.uint64,
    scratch: Scratch,
) -> bool:  # fmt: skip
    """Expand the leaf that waits with `logits` [count] of its `moves` and its `value`, and back it up. `stream` is
    where the root's noise comes from. Returns False for what no network may say, see `expand`."""
    depth = tree.state[0].depth
    noise, temperature = scratch.noise[:0], params.policy_temperature
    if depth == 0:
        for i in range(count):
            scratch.noise[i] = np.float32(params.gumbel_scale * gumbel_noise(stream, np.int64(moves[i])))
        noise, temperature = scratch.noise[:count], 1.0
    node = np.int64(tree.path[depth, 0])
    if not expand(tree, node, moves, logits[:count], value, noise, temperature):
        return False
    if depth:
        back_up(tree.edges, tree.path, depth, value)
        tree.state[0].simulations += 1
    return True


@inlined
def walk_on(
    tree: Tree, params: SearchParams, history: Words, length: np.int64, moves: Moves, scratch: Scratch
) -> np.int64:
    """Simulate on until a leaf waits for the network; leaves with exact values do not. `history` and `length` as in
    `make_leaf`; `moves` uint16 [ROW] gets the leaf's legal moves; their number, 0 when all simulations are done."""
    state = tree.state[0]
    while state.simulations < params.schedule.shape[1]:
        depth = descend(tree.nodes, tree.edges, tree.path, params.scaling, params.schedule, state.simulations)
        state.plies += depth
        state.deepest = max(state.deepest, depth)
        if tree.path[depth, 0] < 0:
            count = make_leaf(tree, depth, history, length, moves, scratch)
            if count != 0:
                state.depth = depth
                return count
        back_up(tree.edges, tree.path, depth, np.float64(tree.nodes[tree.path[depth, 0]].value))
        state.simulations += 1
    return np.int64(0)
