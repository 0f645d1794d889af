"""A search tree as flat arrays: expanding nodes, backing values up. No chess in here.

A tree is three arrays, N nodes and E edges at most, with node 0 the root:

- `nodes` [N] of NODE and `edges` [E] of EDGE; the edges of a node lie side by side, and one edge is one
  legal action. What is illegal has no edge, so nothing in here could give it noise, visits or probability.
- `path` [N + 1, 2]: of the last walk down, the node at each depth and the edge taken there.

Among a node's edges the visited ones come first, in the order of their first visits, and the next one holds the best of
the unvisited. A descent looks at these only: unvisited actions share one completed value, so the best of them is the
one with the largest prior (at the root, logit + Gumbel noise).

Values are expected scores -1..1 of the side to move at a node; an edge's `value` is seen by the side that takes it. The
sides alternate, so a value changes its sign at every ply."""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined
from agent.rules.bits import Floats, Moves, Words

NODE: Final = np.dtype(
    [
        ("key", np.uint64),  # what makes two positions the same
        ("value", np.float32),  # by the network, or exact
        ("first", np.int32),  # its first edge
        ("count", np.int32),  # its edges; 0 before it is expanded
        ("visited", np.int32),  # edges that have a child
        ("unseen", np.float32),  # prior of all the others
        ("exact", np.int32),  # 0, or why its value is exact and it has no edges: a code of the game's
        ("answer", np.int32),  # of an exact node: the action that proves it, or -1
    ],
    align=True,
)
EDGE: Final = np.dtype(
    [
        ("prior", np.float32),  # probability, softmax of the logits
        ("order", np.float32),  # what unvisited edges are taken by: logit + noise at the root, else the prior
        ("value", np.float32),  # mean value of the simulations through it
        ("visits", np.int32),
        ("child", np.int32),  # its node, -1 before the first visit
        ("action", np.int32),
    ],
    align=True,
)
COUNTERS: Final = np.dtype(
    [
        ("depth", np.int64),  # plies from the root to the leaf that waits
        ("simulations", np.int64),  # done
        ("nodes", np.int64),  # in use
        ("edges", np.int64),  # in use
        ("plies", np.int64),  # from the root to the leaves, summed over the simulations
        ("deepest", np.int64),  # the most plies that a simulation went
    ]
)

Index = np.int64 | int
Nodes = NDArray[Any]  # [N] of NODE
Edges = NDArray[Any]  # [E] of EDGE
Path = NDArray[np.int32]  # [N + 1, 2]: node and edge by depth


class Tree(NamedTuple):
    """One game's tree, N = simulations + 1 nodes at most; or, with a leading axis, those of G games."""

    positions: Words  # [N, WORDS] by node: what a node stands for, in the words of the game
    nodes: Nodes  # [N] of NODE
    edges: Edges  # [218 N] of EDGE: only what is used is ever touched, so only that takes memory
    path: Path  # int32 [N + 1, 2]
    state: NDArray[Any]  # [1] of COUNTERS


@inlined
def clear_node(nodes: Nodes, node: Index, key: np.uint64) -> None:
    """Make `node` a fresh one, not expanded."""
    record = nodes[node]
    record.key, record.answer = key, np.int32(-1)
    record.value, record.unseen = np.float32(0), np.float32(1)
    record.first = record.count = record.visited = record.exact = np.int32(0)


@inlined
def settle(nodes: Nodes, node: Index, value: float, code: Index, answer: Index) -> None:
    """Give `node` an exact value: no network, no edges."""
    record = nodes[node]
    record.value = np.float32(value)
    record.exact = np.int32(code)
    record.answer = np.int32(answer)


@inlined
def expand(
    tree: Tree, node: Index, actions: Moves, logits: Floats, value: float, noise: Floats, temperature: float
) -> bool:
    """Give `node` its value and an edge for each of its `logits` [count].

    `actions` [at least count] go with the logits, which need not be normalised; -inf is an action that is never taken
    before the others. `noise` is added to the logits for the order of visits: [count] at the root, else empty. The
    priors are the softmax of the logits divided by `temperature`. Returns False and changes nothing for an invalid
    answer of the network: NaN, +inf, only -inf, or a value that is not finite: it would lead out of an array."""
    edges, first, count = tree.edges, tree.state[0].edges, np.int64(logits.size)
    peak = logits[0]
    sane = math.isfinite(value)
    for i in range(count):
        peak = max(peak, logits[i])
        sane &= not math.isnan(logits[i])
    if not (sane and math.isfinite(peak)):
        return False
    total = np.float32(0)
    for i in range(count):
        edge = edges[first + i]
        weight = np.float32(math.exp(np.float32((logits[i] - peak) / temperature)))
        edge.prior = weight
        total += weight
        edge.action = np.int32(actions[i])
        edge.child = np.int32(-1)
        edge.visits = np.int32(0)
        edge.value = np.float32(0)
    factor = np.float32(1) / total
    for i in range(count):
        edge = edges[first + i]
        edge.prior *= factor
        edge.order = np.float32(logits[i] - peak) + noise[i] if noise.size else edge.prior
    tree.state[0].edges += count
    record = tree.nodes[node]
    record.value = np.float32(value)
    record.first = np.int32(first)
    record.count = np.int32(count)
    record.unseen = _bring_best(edges, first, first + count)
    return True


@inlined
def _bring_best(edges: Edges, start: Index, end: Index) -> np.float32:
    """Exchange edge `start` with the one of the largest `order` in start..end - 1, the first of equals.

    Returns the sum of their priors."""
    best, highest, total = start, edges[start].order, edges[start].prior
    for i in range(start + 1, end):
        edge = edges[i]
        total += edge.prior
        if edge.order > highest:
            best, highest = np.int64(i), edge.order
    if best != start:
        one, other = edges[start], edges[best]
        # Neither has been visited: only these three fields can differ.
        one.prior, other.prior = other.prior, one.prior
        one.order, other.order = other.order, one.order
        one.action, other.action = other.action, one.action
    return np.float32(total)


@inlined
def attach(nodes: Nodes, edges: Edges, parent: Index, edge: Index, child: Index) -> None:
    """Make `child` the node under the unvisited `edge` of `parent`."""
    record = nodes[parent]
    edges[edge].child = np.int32(child)
    record.visited += np.int32(1)
    if record.visited < record.count:
        start, end = np.int64(record.first + record.visited), np.int64(record.first + record.count)
        record.unseen = _bring_best(edges, start, end)


@inlined
def back_up(edges: Edges, path: Path, depth: Index, value: float) -> None:
    """Count one simulation that found `value` at the node `path[depth]` on all edges above it."""
    for level in range(depth - 1, -1, -1):
        value = -value
        edge = edges[path[level, 1]]
        edge.visits += np.int32(1)
        edge.value += np.float32((value - edge.value) / edge.visits)
