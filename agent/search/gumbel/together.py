"""One game's search with a network that wants batches: several simulations set out before the first is evaluated. One
under way counts as a visit, so that the next goes another way, and leaves mean values alone (WU-UCT, Liu et al. 2020).
At the root the visits are those of sequential halving in any case: no batch goes beyond a halving."""

from bisect import bisect_right
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.networks.contract import LeafEvaluator
from agent.rules.bits import Counts, Floats, Moves, Words
from agent.rules.movegen import ROW
from agent.search.gumbel.search import checked_leaves, no_number
from agent.search.gumbel.selection import descend
from agent.search.gumbel.tree import Tree, back_up
from agent.search.gumbel.walk import Scratch, SearchParams, make_leaf, take_in

MOST: Final = 32  # simulations under way: 8, or a sixteenth of those done where that is more, but not more than this


class UnderWay(NamedTuple):
    """Simulations under way, in the order in which they are backed up."""

    paths: NDArray[np.int32]  # [MOST, N + 1, 2] as `Tree.path`
    depths: Counts  # [MOST] plies from the root to the leaf
    moves: Moves  # [MOST, ROW] legal moves of the leaf
    counts: Counts  # [MOST] how many; 0 where the leaf's value is exact


@njit
def set_out(
    tree: Tree, params: SearchParams, most: int, past: tuple[Words, np.int64], sims: UnderWay, scratch: Scratch
) -> np.int64:
    """Walk to the leaves of the next simulations, at most `most`; how many: fewer where one would end at the leaf of
    another. Values and visits in the tree are left as they were."""
    nodes, edges, started = tree.nodes, tree.edges, np.int64(0)
    while started < most:
        path, simulation = sims.paths[started], tree.state[0].simulations + started
        depth = descend(nodes, edges, path, params.scaling, params.schedule, simulation)
        count, leaf = np.int64(0), np.int64(path[depth, 0])
        if leaf < 0:
            branch = Tree(tree.positions, nodes, edges, path, tree.state)
            count = make_leaf(branch, depth, *past, sims.moves[started], scratch)
            if count > 0:  # until the network says more, it is worth what the position before it is
                nodes[path[depth, 0]].value = -nodes[path[depth - 1, 0]].value
        elif not nodes[leaf].exact:
            break
        sims.depths[started], sims.counts[started] = depth, count
        started += 1
        for level in range(depth):
            edge = edges[path[level, 1]]
            if edge.visits == 0:
                edge.value = -nodes[edge.child].value
            edge.visits += np.int32(1)
    for row in range(started):
        for level in range(sims.depths[row]):
            edge = edges[sims.paths[row, level, 1]]
            edge.visits -= np.int32(1)
            if edge.visits == 0:
                edge.value = np.float32(0)
    return started


@njit
def arrive(
    tree: Tree, params: SearchParams, sims: UnderWay, rows: tuple[int, int], logits: Floats, values: Floats,
    stream: np.uint64, scratch: Scratch,
) -> bool:  # fmt: skip
    """Take in rows `rows[0]` to `rows[1]` - 1 of what is under way, with the network's answers. False as `take_in`."""
    state = tree.state[0]
    for row in range(rows[0], rows[1]):
        depth, path, count = np.int64(sims.depths[row]), sims.paths[row], np.int64(sims.counts[row])
        state.depth = depth
        state.plies += depth
        state.deepest = max(state.deepest, depth)
        if count == 0:
            back_up(tree.edges, path, depth, np.float64(tree.nodes[path[depth, 0]].value))
            state.simulations += 1
            continue
        branch, value = Tree(tree.positions, tree.nodes, tree.edges, path, tree.state), np.float64(values[row])
        if not take_in(branch, params, sims.moves[row], logits[row], count, value, stream, scratch):
            return False
    return True


class Together:
    """One search of the `moves` of its root."""

    def __init__(
        self, network: LeafEvaluator, tree: Tree, params: SearchParams, moves: Moves, past: tuple[Words, np.int64],
        stream: np.uint64, scratch: Scratch,
    ) -> None:  # fmt: skip
        self._network, self._tree, self._params, self._past = network, tree, params, past
        self._stream, self._scratch = stream, scratch
        paths, counts = np.zeros((MOST, *tree.path.shape), np.int32), np.zeros((2, MOST), np.int32)
        self._sims = UnderWay(paths, counts[0], np.empty((MOST, ROW), np.uint16), counts[1])
        self._logits, self._values = np.empty((MOST, ROW), np.float32), np.empty(MOST, np.float32)
        self._first, self._end = 0, 1  # rows under way; first the root, which counts as no simulation
        self._sims.moves[0, : len(moves)], self._sims.counts[0] = moves, len(moves)
        # Where fewer moves share the root's visits than before.
        visits = params.schedule[min(len(params.schedule) - 1, len(moves))]
        self._halvings = [*(np.flatnonzero(np.diff(np.bincount(visits)[visits])) + 1).tolist(), len(visits)]

    def walk(self, limit: int) -> int:
        """Go on to `limit` simulations; how many are left. Raises ValueError: the network's answer is no number."""
        tree, params, sims, scratch = self._tree, self._params, self._sims, self._scratch
        while (done := int(tree.state[0]["simulations"])) < limit:
            if self._first == self._end:
                most = min(MOST, max(8, done // 16), self._halvings[bisect_right(self._halvings, done)] - done)
                self._first, self._end = 0, int(set_out(tree, params, most, self._past, sims, scratch))
            if self._first == 0:
                rows = np.flatnonzero(sims.counts[: self._end])
                leaves, counts = sims.paths[rows, sims.depths[rows], 0], sims.counts[rows]
                if counts.min(initial=1) < 1:  # more moves than are possible
                    raise no_number(0)
                if rows.size:
                    asked = tree.positions[leaves], sims.moves[rows], counts
                    logits, self._values[rows] = checked_leaves(self._network.evaluate_legal(*asked), counts)
                    self._logits[rows, : logits.shape[1]] = logits[:, :ROW]
            given = (self._first, min(self._end, self._first + limit - done)), self._logits, self._values
            if not arrive(tree, params, sims, *given, self._stream, scratch):
                raise no_number(0)
            self._first = given[0][1]
        return self._halvings[-1] - done
