"""What a search found: the move, the improved policy over legal moves, values."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.bits import Counts, Floats, Moves
from agent.rules.movegen import find_targets, write_moves
from agent.rules.termination import mating_move
from agent.search.gumbel.selection import best_root_edge, transform
from agent.search.gumbel.tree import Tree
from agent.search.gumbel.walk import Scratch, SearchParams
from agent.vocabulary import MAX_LEGAL, SIZE


class SearchResult(NamedTuple):
    """Results of B searches; M legal moves in all. Game b's are offsets[b]:offsets[b + 1], by ascending move."""

    moves: Moves  # [B] the move chosen, a vocabulary index
    offsets: NDArray[np.int64]  # [B + 1]
    indices: Moves  # [M] legal moves
    probabilities: Floats
    """[M] improved policy: softmax of logits + sigma(completed values); sums to 1 in every game."""
    visits: Counts  # [M] simulations through each move
    values: Floats
    """[B] expected score -1..1 of the improved policy, its moves valued as the search completed them; for the side to
    move."""

    def trimmed(self) -> "SearchResult":
        """Without the space that was not filled."""
        moves = int(self.offsets[-1])
        part = {name: getattr(self, name)[:moves].copy() for name in ("indices", "probabilities", "visits")}
        return self._replace(**part)

    def dense(self) -> Floats:
        """[B, 1880] improved policy, 0.0 at illegal moves."""
        policy = np.zeros((len(self.moves), SIZE), np.float32)
        policy[np.repeat(np.arange(len(self.moves)), np.diff(self.offsets)), self.indices] = self.probabilities
        return policy


def make_output(games: int) -> SearchResult:
    """Results of `games` games for compiled code to fill, with space for 218 moves a game; see `trimmed`."""
    space, moves, values = games * MAX_LEGAL, np.empty(games, np.uint16), np.empty(games, np.float32)
    ragged = np.empty(space, np.uint16), np.empty(space, np.float32), np.empty(space, np.int32)
    return SearchResult(moves, np.zeros(games + 1, np.int64), *ragged, values)


@njit
def write_result(tree: Tree, params: SearchParams, game: np.int64, output: SearchResult, scratch: Scratch) -> None:
    """Write what the finished `tree` says to row `game` of `output`; rows must be written in order."""
    if tree.nodes[0].exact:
        _write_mate(tree, game, output, scratch)
        return
    most = np.int64(0)
    first = np.int64(tree.nodes[0].first)
    for i in range(first, first + tree.nodes[0].visited):
        most = max(most, np.int64(tree.edges[i].visits))
    best = best_root_edge(tree.nodes, tree.edges, params.scaling, most)
    output.moves[game] = np.uint16(tree.edges[best].action)
    output.values[game] = _write_policy(tree, params, game, output)


@njit
def _write_policy(tree: Tree, params: SearchParams, game: np.int64, output: SearchResult) -> float:
    """Write the improved policy (section 4, equation 11) by ascending move; return its expected score."""
    root = tree.nodes[0]
    first, count, visited = np.int64(root.first), np.int64(root.count), np.int64(root.visited)
    slope, low, mixed, _ = transform(tree.nodes, tree.edges, np.int64(0), params.scaling)
    start = output.offsets[game]
    output.offsets[game + 1] = start + count
    peak = slope * (mixed - low) if visited < count else 0.0
    for i in range(first, first + visited):
        peak = max(peak, slope * (tree.edges[i].value - low))
    total, value = 0.0, 0.0
    for i in range(count):
        edge = tree.edges[first + i]
        completed = np.float64(edge.value) if i < visited else mixed
        weight = edge.prior * math.exp(slope * (completed - low) - peak)
        total += weight
        value += weight * completed
        place = start + i
        while place > start and output.indices[place - 1] > edge.action:
            output.indices[place] = output.indices[place - 1]
            output.probabilities[place] = output.probabilities[place - 1]
            output.visits[place] = output.visits[place - 1]
            place -= 1
        output.indices[place] = np.uint16(edge.action)
        output.probabilities[place] = np.float32(weight)
        output.visits[place] = edge.visits
    for i in range(start, start + count):
        output.probabilities[i] = np.float32(output.probabilities[i] / total)
    return value / total


@njit
def _write_mate(tree: Tree, game: np.int64, output: SearchResult, scratch: Scratch) -> None:
    """The root mates at once: all moves that do are equally good, no other is worth anything."""
    position = tree.positions[0]
    find_targets(position, scratch.targets)
    count = write_moves(position, scratch.targets, scratch.moves)
    start = output.offsets[game]
    output.offsets[game + 1] = start + count
    for i in range(count):
        output.indices[start + i] = scratch.moves[i]
        output.probabilities[start + i] = np.float32(0)
        output.visits[start + i] = np.int32(0)
    mates, mate = np.int64(0), np.int64(-1)
    while True:
        mate = mating_move(position, scratch.moves, count, mate + 1, scratch.position, scratch.targets)
        if mate < 0:
            break
        output.probabilities[start + mate] = np.float32(1)
        mates += 1
    for i in range(start, start + count):
        output.probabilities[i] /= np.float32(mates)
    output.moves[game] = np.uint16(tree.nodes[0].answer)
    output.values[game] = np.float32(1)
