"""A search of one game that can be interrupted: compiled steps over a tree that stays between the calls.

The inside of the tree is searched as everywhere else (see `tree.py`). At the root, the caller says for every
simulation how many visits the move must have got in this *round* so far, as the schedule of sequential halving
does; visits of earlier rounds do not count there, but what they found stays. So the first round is the search of
`GumbelSearch`, to the bit, and each further round starts with a tree full of values.
"""

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.bits import Words
from agent.rules.layout import WORDS
from agent.search.compiled import bound, unbound
from agent.search.leaf import MATES_NEXT, Scratch, make_leaf
from agent.search.mates import mating_move
from agent.search.selection import Scaling, interior_edge, transform
from agent.search.tree import DEPTH, EDGE, EDGES, NODE, NODES, SIMULATIONS, Edges, Nodes, Tree, back_up, expand
from agent.search.walk import SearchParams, gumbel_noise, place_root
from agent.vocabulary import MAX_LEGAL

DEEPEST: Final = 4  # in `Tree.state` of a kept tree: the most plies below the root so far
TRAVELLED: Final = 5  # in `Tree.state` of a kept tree: plies below the root, summed over the simulations
EDGES_EACH: Final = 56
"""Room for edges that a kept tree has per node: middle games have about 35 legal moves."""
BYTES_EACH: Final = 8 * WORDS + NODE.itemsize + 8 + 2 + EDGES_EACH * EDGE.itemsize
"""Memory of a node with its edges."""
_CHECKMATE: Final = 1
_FIRST: Final = np.float32(1e6)  # puts a mating move before all others


class Root(NamedTuple):
    """What is counted at the root's edges, in the order of their first visits."""

    base: NDArray[np.int32]  # [218] visits before the present round
    draws: NDArray[np.float64]  # [218] sum of the probabilities of a draw at the leaves below


def make_kept_tree(nodes: int) -> Tree:
    """A tree of `nodes` nodes; its memory is only taken as it is filled."""
    positions, edges = np.empty((nodes, WORDS), np.uint64), np.empty(nodes * EDGES_EACH + MAX_LEGAL, EDGE)
    return Tree(positions, np.empty(nodes, NODE), edges, np.empty((nodes + 1, 2), np.int32), np.zeros(6, np.int64))


@njit
def begin_root(tree: Tree, position: Words, allowed: NDArray[np.uint16], scratch: Scratch) -> np.int64:
    """Make `position` the root and write its legal moves to `scratch.moves`.

    Only those among `allowed` if that is not empty: the others get no edge. Returns their number.
    """
    count = place_root(tree, position, scratch.moves, scratch.targets)
    if allowed.size == 0:
        return np.int64(count)
    kept = np.int64(0)
    for i in range(count):
        for j in range(allowed.size):
            if scratch.moves[i] == allowed[j]:
                scratch.moves[kept] = scratch.moves[i]
                kept += 1
                break
    return kept


@njit
def take_root(
    tree: Tree,
    params: SearchParams,
    logits: NDArray[np.float32],
    count: np.int64,
    value: float,
    stream: np.uint64,
    scratch: Scratch,
) -> bool:
    """Expand the root with the network's answer; False for what no network may say."""
    for i in range(count):
        scratch.noise[i] = np.float32(params.gumbel_scale * gumbel_noise(stream, np.int64(scratch.moves[i])))
    mate = mating_move(tree.positions[0], scratch.moves, count, np.int64(0), scratch.position, scratch.targets)
    if mate >= 0:
        scratch.noise[mate] += _FIRST
    return expand(tree, 0, scratch.moves, logits[:count], value, scratch.noise[:count], 1.0)


@njit
def _root_edge(nodes: Nodes, edges: Edges, scaling: Scaling, base: NDArray[np.int32], wanted: np.int32) -> np.int64:
    """Of the root's edges with `wanted` visits in this round, the one with the best logit + noise + sigma(q)."""
    record = nodes[0]
    first, visited = np.int64(record.first), np.int64(record.visited)
    slope, low, mixed, _ = transform(nodes, edges, np.int64(0), scaling)
    best, highest = first, -np.inf
    for i in range(visited):
        edge = edges[first + i]
        if edge.visits - base[i] == wanted:
            score = edge.order + slope * (edge.value - low)
            if score > highest:
                best, highest = first + i, score
    if wanted == 0 and visited < record.count:
        # The best of the unvisited comes first among them; it counts with the mixed value.
        score = edges[first + visited].order + slope * (mixed - low)
        if score > highest:
            best = first + visited
    return best


@njit
def has_room(tree: Tree) -> bool:
    """Whether one more node fits."""
    return bool(tree.state[NODES] < tree.positions.shape[0] and tree.state[EDGES] + MAX_LEGAL <= tree.edges.shape[0])


@njit
def walk_kept(
    tree: Tree, params: SearchParams, root: Root, wanted: np.int32, history: Words, length: np.int64, scratch: Scratch
) -> np.int64:
    """Walk down once; `tree.state[DEPTH]` and `tree.path` tell where the walk ended.

    Returns:
        number of `scratch.moves` of a leaf that waits for the network; 0 if the walk ended at an exact value.
    """
    nodes, edges, path = tree.nodes, tree.edges, tree.path
    path[0, 0] = 0
    path[0, 1] = edge = _root_edge(nodes, edges, params.scaling, root.base, wanted)
    node, depth = np.int64(edges[edge].child), np.int64(1)
    while node >= 0 and not nodes[node].exact:
        path[depth, 0] = node
        path[depth, 1] = edge = interior_edge(nodes, edges, node, params.scaling)
        node = np.int64(edges[edge].child)
        depth += 1
    path[depth, 0] = node
    tree.state[DEPTH] = depth
    tree.state[TRAVELLED] += depth
    tree.state[DEEPEST] = max(tree.state[DEEPEST], depth)
    if node >= 0:
        return np.int64(0)
    return make_leaf(tree, depth, history, length, params.claim_draws, scratch.moves, scratch)


@njit
def end_at_exact(tree: Tree, root: Root) -> None:
    """Back up a walk that ended at an exact value."""
    depth = tree.state[DEPTH]
    leaf = tree.nodes[tree.path[depth, 0]]
    back_up(tree.edges, tree.path, depth, np.float64(leaf.value))
    if leaf.exact != _CHECKMATE and leaf.exact != MATES_NEXT:
        root.draws[tree.path[0, 1] - tree.nodes[0].first] += 1.0
    tree.state[SIMULATIONS] += 1


@njit
def end_at_leaf(
    tree: Tree,
    params: SearchParams,
    root: Root,
    logits: NDArray[np.float32],
    count: np.int64,
    value: float,
    draw: float,
    scratch: Scratch,
) -> bool:
    """Expand the leaf that waits and back it up; False for what no network may say."""
    depth = tree.state[DEPTH]
    node = np.int64(tree.path[depth, 0])
    if not expand(tree, node, scratch.moves, logits[:count], value, scratch.noise[:0], params.policy_temperature):
        return False
    back_up(tree.edges, tree.path, depth, value)
    root.draws[tree.path[0, 1] - tree.nodes[0].first] += draw
    tree.state[SIMULATIONS] += 1
    return True


@njit
def prove(tree: Tree, proofs: NDArray[np.int16]) -> None:
    """Which nodes are proven mates, from the leaves up: children have larger numbers than their parents.

    `proofs` [N] gets 0 where nothing is proven, k > 0 where the side to move mates in k plies, and -1 - k
    where it is mated in k.
    """
    nodes, edges = tree.nodes, tree.edges
    for node in range(tree.state[NODES] - 1, -1, -1):
        record = nodes[node]
        proofs[node] = 0
        if record.exact:
            if record.exact == _CHECKMATE:
                proofs[node] = -1
            elif record.exact == MATES_NEXT:
                proofs[node] = 1
            continue
        win, longest = np.int64(0), np.int64(0)
        lost = record.visited == record.count and record.count > 0
        for i in range(record.first, record.first + record.visited):
            proof = np.int64(proofs[edges[i].child])
            if proof < 0:
                win = -proof if win == 0 else min(win, -proof)
            lost &= proof > 0
            longest = max(longest, proof)
        if win:
            proofs[node] = np.int16(win)
        elif lost:
            proofs[node] = np.int16(-2 - longest)


evaluate: Final[Callable[..., Any]] = unbound


def _search_slice(
    tree: Tree,
    params: SearchParams,
    root: Root,
    wanted: NDArray[np.int32],
    history: Words,
    length: np.int64,
    parameters: Any,
    network_scratch: Any,
    wdl: NDArray[np.float32],
    scratch: Scratch,
) -> int:
    """One simulation for each of `wanted`; how many were done (fewer: the tree is full), -1 at no number."""
    for i in range(wanted.size):
        if not has_room(tree):
            return i
        count = walk_kept(tree, params, root, wanted[i], history, length, scratch)
        if count == 0:
            end_at_exact(tree, root)
            continue
        leaf = tree.positions[tree.path[tree.state[DEPTH], 0]]
        value = evaluate(leaf, scratch.moves, count, parameters, network_scratch, scratch.logits)
        draw = np.float64(wdl[1])
        if not end_at_leaf(tree, params, root, scratch.logits, count, np.float64(value), draw, scratch):
            return -1
    return wanted.size


def _search_root(
    tree: Tree,
    params: SearchParams,
    count: np.int64,
    stream: np.uint64,
    parameters: Any,
    network_scratch: Any,
    scratch: Scratch,
) -> bool:
    """Evaluate and expand the root."""
    value = evaluate(tree.positions[0], scratch.moves, count, parameters, network_scratch, scratch.logits)
    return take_root(tree, params, scratch.logits, count, np.float64(value), stream, scratch)


@functools.cache
def slice_loops(network: Callable[..., Any]) -> tuple[Callable[..., int], Callable[..., bool]]:
    """`_search_slice` and `_search_root` compiled for one evaluator."""
    return bound(_search_slice, network), bound(_search_root, network)
