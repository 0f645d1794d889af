"""Drives the search's trees over any two-player game given as tables, for comparison with other searches."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.search.gumbel.selection import Scaling, best_root_edge, descend, transform
from agent.search.gumbel.tree import COUNTERS, EDGE, NODE, Tree, attach, back_up, clear_node, expand, settle
from agent.search.settings import visit_schedule

MCTX, PUCT = Scaling(50.0, 0.1), Scaling(10.0, 0.1, 1.5)


class Game(NamedTuple):
    """S states with at most A actions; values are seen by the side to move, which alternates."""

    next: NDArray[np.integer]  # [S, A]
    logits: NDArray[np.float32]  # [S, A]
    values: NDArray[np.float32]  # [S]
    terminal: NDArray[np.bool_]  # [S]: the value is exact and the game over
    legal: NDArray[np.integer]  # [S] number of legal actions, the first ones


class Found(NamedTuple):
    action: int
    policy: NDArray[np.float64]  # [legal]
    visits: NDArray[np.int64]  # [legal]
    mean: float  # over the root's network value and all simulations


class Grown(NamedTuple):
    """A tree after its simulations."""

    nodes: NDArray[np.void]
    edges: NDArray[np.void]
    states: list[int]  # of each node


def grow(
    game: Game,
    root: int,
    simulations: int,
    considered: int,
    noise: NDArray[np.float32],
    scaling: Scaling,
    temperature: float = 1.0,
) -> Grown:
    """`temperature` is that of the priors below the root."""
    nodes = np.empty(simulations + 1, NODE)
    edges = np.empty((simulations + 1) * game.logits.shape[1], EDGE)
    path = np.empty((simulations + 2, 2), np.int32)
    schedule = visit_schedule(considered, simulations).copy()
    tree = Tree(np.empty((0, 0), np.uint64), nodes, edges, path, np.zeros(1, COUNTERS))
    states = [root]
    nothing = np.empty(0, np.float32)

    def add(node: int, noise: NDArray[np.float32]) -> None:
        state = states[node]
        count = int(game.legal[state])
        actions, logits = np.arange(count, dtype=np.uint16), game.logits[state].copy()
        warmth = temperature if node else 1.0
        assert expand(tree, node, actions, logits[:count], float(game.values[state]), noise, warmth)

    clear_node(nodes, 0, np.uint64(0))
    add(0, noise[: int(game.legal[root])].copy())
    for simulation in range(simulations):
        depth = descend(nodes, edges, path, scaling, schedule, simulation)
        node = int(path[depth, 0])
        if node < 0:
            parent, edge = int(path[depth - 1, 0]), int(path[depth - 1, 1])
            node = len(states)
            states.append(int(game.next[states[parent], edges[edge]["action"]]))
            clear_node(nodes, node, np.uint64(0))
            attach(nodes, edges, parent, edge, node)
            path[depth, 0] = node
            if game.terminal[states[node]]:
                settle(nodes, node, float(game.values[states[node]]), 1, -1)
            else:
                add(node, nothing)
        back_up(edges, path, depth, float(nodes[node]["value"]))
    return Grown(nodes, edges, states)


def search(game: Game, root: int, simulations: int, considered: int, noise: NDArray[np.float32]) -> Found:
    nodes, edges, _ = grow(game, root, simulations, considered, noise, MCTX)
    own = edges[: int(game.legal[root])]
    slope, low, mixed, total = transform(nodes, edges, 0, MCTX)
    visited = own["visits"] > 0
    completed = np.where(visited, own["value"], mixed)
    weights = own["prior"] * np.exp(slope * (completed - low) - slope * (completed - low).max())
    order = np.argsort(own["action"])
    best = best_root_edge(nodes, edges, MCTX, int(own["visits"].max()))
    mean = (float(nodes[0]["value"]) + float((own["visits"] * own["value"].astype(np.float64)).sum())) / (1 + total)
    return Found(int(edges[best]["action"]), (weights / weights.sum())[order], own["visits"][order], mean)
