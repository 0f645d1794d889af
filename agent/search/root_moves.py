"""What a kept tree says of the moves at its root: their order, values, proofs and lines."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.search.anytime import Root
from agent.search.selection import Scaling, transform
from agent.search.tree import Tree

LINE: Final = 32  # longest line, in plies


class RootMove(NamedTuple):
    """What the search thinks of one move at the root."""

    move: int
    """Vocabulary index."""
    prior: float
    """Probability before search."""
    policy: float
    """Probability in the improved policy."""
    visits: int
    value: float
    """Expected score -1..1 for the side to move; of an unvisited move the mixed value, as completed."""
    draws: float
    """Mean probability of a draw at the leaves below; NaN without visits or where the network gives none."""
    mate: int
    """Proven: k > 0 mates within k plies, k < 0 is mated within -k plies, both counted from the root; 0: not proven."""
    line: tuple[int, ...]
    """The moves expected, this one first, each seen from its mover's side."""


def root_moves(
    tree: Tree, scaling: Scaling, counted: Root, proofs: NDArray[np.int16], later: bool, most: int
) -> list[RootMove]:
    """At most `most` moves of the root: the one to be played first, then the most visited, of these the best.

    The move to be played is proven to mate the soonest; else, of those with most visits, the one with the best
    logit + noise + sigma(q) that is not proven lost. After the first round (`later`), half of the most visits
    suffice: a round that has just begun must not replace what earlier ones found.
    """
    root = tree.nodes[0]
    first, count, visited = int(root["first"]), int(root["count"]), int(root["visited"])
    edges = tree.edges[first : first + count]
    slope, low, mixed, _ = transform(tree.nodes, tree.edges, 0, scaling)
    values = np.where(np.arange(count) < visited, edges["value"], mixed).astype(np.float64)
    weights = edges["prior"] * np.exp(slope * (values - values.max()))
    policy = weights / max(weights.sum(), 1e-300)
    scores = edges["order"].astype(np.float64) + slope * (values - low)
    found = []
    for place in _order(edges, scores, proofs, later)[:most]:
        edge, line = edges[place], _line(tree, proofs, first + place)
        visits, shares = int(edge["visits"]), (float(edge["prior"]), float(policy[place]))
        draws = float(counted.draws[place]) / visits if visits else math.nan
        mate = mate_from_root(int(proofs[edge["child"]]), 1) if visits else 0
        found.append(RootMove(int(edge["action"]), *shares, visits, float(values[place]), draws, mate, line))
    return found


def _order(edges: NDArray[np.void], scores: NDArray[np.float64], proofs: NDArray[np.int16], later: bool) -> list[int]:
    nodes = edges["child"]
    proven = np.where(nodes >= 0, proofs[np.maximum(nodes, 0)], 0).astype(np.int64)
    most = int(edges["visits"].max())
    enough = edges["visits"] >= ((most + 1) // 2 if later else most)
    # By proof first (mate the sooner the better, being mated the later the better), then by score.
    classes = np.where(proven < 0, 1_000_000 + proven, np.where(proven > 0, proven - 1_000_000, 0))
    playable = enough & (classes >= 0) if (classes >= 0).any() else np.ones(len(edges), bool)
    if not playable.any():
        playable = classes >= 0
    if (classes > 0).any():
        playable = classes > 0
    key = np.lexsort((-scores, -classes))
    best = next(place for place in key.tolist() if playable[place])
    # The others by how long halving kept them: the value of a move with few visits is a guess.
    others = np.lexsort((-scores, -edges["visits"].astype(np.int64), -classes)).tolist()
    return [best, *(place for place in others if place != best)]


def _line(tree: Tree, proofs: NDArray[np.int16], edge: int) -> tuple[int, ...]:
    """The moves from `edge` of the root on: at every node the most visited, or what proves a mate the soonest."""
    nodes, edges = tree.nodes, tree.edges
    line = [int(edges[edge]["action"])]
    child = int(edges[edge]["child"])
    while child >= 0 and len(line) < LINE:
        record = nodes[child]
        if record["answer"] >= 0:
            line.append(int(record["answer"]))
        first, visited = int(record["first"]), int(record["visited"])
        if visited == 0:
            break
        part = edges[first : first + visited]
        proof = int(proofs[child])
        if proof:
            wanted = proofs[part["child"]].astype(np.int64)
            # Mating: the child that is mated soonest; being mated: the one that holds out longest.
            place = int(np.argmax(np.where(wanted < 0, wanted, -(2**15)))) if proof > 0 else int(np.argmax(wanted))
        else:
            place = int(np.argmax(part["visits"]))
        line.append(int(part[place]["action"]))
        child = int(part[place]["child"])
    return tuple(line)


def mate_from_root(proof: int, plies: int) -> int:
    """A node's proof, `plies` below the root, as `RootMove.mate` of the root's side."""
    if proof == 0:
        return 0
    mate = proof + plies if proof > 0 else -(-1 - proof + plies)
    return mate if plies % 2 == 0 else -mate
