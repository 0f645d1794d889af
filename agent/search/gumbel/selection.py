"""Which edge a walk takes: at the root by sequential halving, inside the tree by one of two rules.

- The paper's (Danihelka et al. 2022, section 5): visit counts follow the improved policy. Its values weigh in
  proportion to visits, so after some thousands hardly any other move than the best is looked at again.
- PUCT (Silver et al. 2017, "Mastering the game of Go without human knowledge", methods): value plus an
  exploration that shrinks with the square root of visits only. Large trees need it.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from agent.compilation import inlined
from agent.rules.bits import Counts
from agent.search.gumbel.tree import Edges, Index, Nodes, Path


class Scaling(NamedTuple):
    """How values weigh against priors; see `SearchSettings`."""

    c_visit: float
    c_scale: float
    c_puct: float = 0.0


_SMALLEST: Final = 1.1754944e-38  # as a prior in a sum, lest 0 / 0 when only impossible moves were visited


@inlined
def transform(nodes: Nodes, edges: Edges, node: Index, scaling: Scaling) -> tuple[float, float, float, np.int64]:
    """How values at `node` weigh against logits, sigma(q) = slope * (q - low) (section 4, equation 8): slope, low,
    mixed value, visits in all.

    Completed values are rescaled to 0..1 between the lowest and the highest, as mctx does. Actions without a visit are
    completed by the mixed value (appendix D, equation 33): the network's value, and the mean of the visited weighted by
    their priors as often as there were visits."""
    record = nodes[node]
    visits, most = np.int64(0), np.int64(0)
    weight, weighted = 0.0, 0.0
    low, high = np.inf, -np.inf
    for i in range(record.first, record.first + record.visited):
        edge = edges[i]
        prior, value = max(np.float64(edge.prior), _SMALLEST), np.float64(edge.value)
        weight += prior
        weighted += prior * value
        low, high = min(low, value), max(high, value)
        visits += np.int64(edge.visits)
        most = max(most, np.int64(edge.visits))
    mixed = np.float64(record.value)
    if visits:
        mixed = (mixed + visits * (weighted / weight)) / (visits + 1)
    if record.visited < record.count:
        low, high = min(low, mixed), max(high, mixed)
    slope = (scaling.c_visit + most) * scaling.c_scale / max(high - low, 1e-8)
    return slope, low, mixed, visits


@inlined
def interior_edge(nodes: Nodes, edges: Edges, node: Index, scaling: Scaling) -> np.int64:
    """The next edge of an expanded node below the root."""
    if scaling.c_puct > 0.0:
        return _puct_edge(nodes, edges, node, scaling)
    return _improving_edge(nodes, edges, node, scaling)


@inlined
def _puct_edge(nodes: Nodes, edges: Edges, node: Index, scaling: Scaling) -> np.int64:
    """The edge with the largest value + exploration; unvisited ones have the mean value of their node."""
    record = nodes[node]
    first, visited = np.int64(record.first), np.int64(record.visited)
    visits, total = np.int64(0), np.float64(record.value)
    for i in range(first, first + visited):
        edge = edges[i]
        visits += np.int64(edge.visits)
        total += np.float64(edge.value) * edge.visits
    weight = scaling.c_puct * math.sqrt(np.float64(visits))
    best, highest = first, -np.inf
    for i in range(first, first + visited):
        edge = edges[i]
        score = edge.value + weight * edge.prior / (1.0 + edge.visits)
        if score > highest:
            best, highest = np.int64(i), score
    if visited < record.count:
        score = total / (visits + 1) + weight * edges[first + visited].prior
        if score > highest:
            best = first + visited
    return best


@inlined
def _improving_edge(nodes: Nodes, edges: Edges, node: Index, scaling: Scaling) -> np.int64:
    """The edge that brings visit counts closest to the improved policy (section 5, equation 14)."""
    record = nodes[node]
    first, visited = np.int64(record.first), np.int64(record.visited)
    if visited == 0:
        return first
    slope, low, mixed, visits = transform(nodes, edges, node, scaling)
    # Probabilities of the improved policy, up to a common factor; the peak keeps exp from overflowing.
    peak = slope * (mixed - low) if visited < record.count else 0.0
    for i in range(first, first + visited):
        peak = max(peak, slope * (edges[i].value - low))
    share = math.exp(slope * (mixed - low) - peak) if visited < record.count else 0.0
    total = max(record.unseen * share, _SMALLEST)
    for i in range(first, first + visited):
        edge = edges[i]
        total += edge.prior * math.exp(slope * (edge.value - low) - peak)
    best, highest = first, -np.inf
    for i in range(first, first + visited):
        edge = edges[i]
        score = edge.prior * math.exp(slope * (edge.value - low) - peak) / total - edge.visits / (1.0 + visits)
        if score > highest:
            best, highest = np.int64(i), score
    if visited < record.count and edges[first + visited].prior * share / total > highest:
        best = first + visited
    return best


@inlined
def _root_edge(nodes: Nodes, edges: Edges, scaling: Scaling, schedule: Counts, simulation: Index) -> np.int64:
    """The root's next edge by sequential halving: of those with the scheduled visits, the best so far."""
    record = nodes[0]
    wanted = schedule[min(schedule.shape[0] - 1, np.int64(record.count)), simulation]
    if wanted == 0:
        return np.int64(record.first + record.visited)
    return best_root_edge(nodes, edges, scaling, np.int64(wanted))


@inlined
def best_root_edge(nodes: Nodes, edges: Edges, scaling: Scaling, wanted: Index) -> np.int64:
    """Of the root's edges with `wanted` visits, the one with the largest logit + noise + sigma(value)."""
    record = nodes[0]
    slope, low, _, _ = transform(nodes, edges, np.int64(0), scaling)
    best, highest = np.int64(-1), -np.inf
    for i in range(record.first, record.first + max(record.visited, 1)):
        edge = edges[i]
        score = edge.order + slope * (edge.value - low) if edge.visits else np.float64(edge.order)
        if edge.visits == wanted and (best < 0 or score > highest):
            best, highest = np.int64(i), score
    return max(best, np.int64(record.first))


@inlined
def descend(nodes: Nodes, edges: Edges, path: Path, scaling: Scaling, schedule: Counts, simulation: Index) -> np.int64:
    """Walk down from the expanded root, filling `path`, to where simulation number `simulation` ends; its depth.
    `path[depth, 0]` is a node without edges, or -1: the edge `path[depth - 1, 1]` has no child."""
    node, depth = np.int64(0), np.int64(0)
    while True:
        path[depth, 0] = node
        if node < 0 or nodes[node].count == 0:
            return depth
        if depth:
            edge = interior_edge(nodes, edges, node, scaling)
        else:
            edge = _root_edge(nodes, edges, scaling, schedule, simulation)
        path[depth, 1] = edge
        depth += 1
        node = np.int64(edges[edge].child)
