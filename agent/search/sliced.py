"""A search of one game in slices: between two slices it can be stopped, inspected and continued."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.rules import Games
from agent.search.anytime import (
    BYTES_EACH,
    DEEPEST,
    EDGES_EACH,
    TRAVELLED,
    Root,
    begin_root,
    end_at_exact,
    end_at_leaf,
    has_room,
    make_kept_tree,
    prove,
    slice_loops,
    take_root,
    walk_kept,
)
from agent.search.leaf import make_scratch
from agent.search.root_moves import RootMove, mate_from_root, root_moves
from agent.search.settings import SearchSettings
from agent.search.tree import DEPTH, EDGES, NODES, SIMULATIONS
from agent.search.walk import make_params, noise_stream
from agent.vocabulary import MAX_LEGAL

_PROOF_GROWTH: Final = 1.25  # proofs cost a pass over the tree: one each time it has grown by a quarter
_CHEAP: Final = 50_000  # nodes of a tree whose proofs are always renewed, in about a millisecond
_NO_NUMBER: Final = "the network's answer for a position is NaN, infinite or no distribution"


class Halving:
    """The schedule of sequential halving, handed out in slices: what `settings.visit_schedule` holds as a table.

    Args:
        considered: moves to begin with.
        simulations: the budget. It may be changed at any time and counts from the next phase on; past it the
            last phase continues until the caller stops.
        keep: the last phase keeps this many moves, at least 2.
    """

    def __init__(self, considered: int, simulations: int, keep: int = 2) -> None:
        self.simulations = simulations
        self._remaining = considered
        self._keep = min(max(keep, 2), max(considered, 1))
        self._phases = max(1, math.ceil(math.log2(considered / self._keep)) + 1) if considered > 1 else 1
        self._visited, self._done, self._left = 0, 0, 0
        self._start = True

    def take(self, most: int) -> NDArray[np.int32]:
        """int32 [1..most]: visits that the root's move must have, for the next simulations."""
        if self._left == 0:
            if not self._start:
                self._remaining = max(self._keep, self._remaining // 2)
            self._start = False
            self._rounds = max(1, self.simulations // (self._phases * max(self._remaining, 1)))
            self._left, self._place = self._rounds * self._remaining, 0
        count = min(most, self._left)
        wanted = self._visited + np.arange(self._place, self._place + count) // self._remaining
        self._place, self._left = self._place + count, self._left - count
        if self._left == 0:
            self._visited += self._rounds
        return wanted.astype(np.int32)


class SlicedSearch:
    """Gumbel search of one game at a time, in a tree that stays until the next `begin`. For one thread at a time.

    Args:
        evaluator: a compiled network, or what evaluates leaves in batches (then of one).
        settings: as of `GumbelSearch`; `simulations` is ignored: `run` gets their number.
        megabytes: memory of the tree, at least 1; taken only as the tree grows.
    """

    def __init__(
        self, evaluator: CompiledEvaluator | LeafEvaluator, settings: SearchSettings, megabytes: int = 256
    ) -> None:
        self.settings = settings
        self._evaluator = evaluator
        self._params = make_params(SearchSettings(**{**vars(settings), "simulations": 1}))
        self._scratch = make_scratch()
        self._root = Root(np.zeros(MAX_LEGAL, np.int32), np.zeros(MAX_LEGAL, np.float64))
        self._tree = make_kept_tree(max(megabytes * 2**20 // BYTES_EACH, 2 * MAX_LEGAL))
        self._proofs = np.zeros(len(self._tree.nodes), np.int16)
        self._proven_at = 0
        self._rounds, self._proves = 0, True

    def begin(
        self,
        games: Games,
        *,
        allowed: NDArray[np.uint16] | None = None,
        key: int = 0,
        seed: int = 0,
        gumbel_scale: float | None = None,
        proofs: bool = True,
    ) -> None:
        """Take up the only game of `games`; what was searched before is forgotten.

        Args:
            games: one game that has a legal move.
            allowed: vocabulary indices; other moves are not searched. None or none of them legal: all are.
            key: names the game, for the noise; see `GumbelSearch.run`, also for `seed`.
            gumbel_scale: other than in the settings.
            proofs: whether to prove mates.

        Raises:
            ValueError: no legal move, or the network's answer is no number.
        """
        if len(games) != 1:
            raise ValueError(f"one game is searched at a time, not {len(games)}")
        scale = self.settings.gumbel_scale if gumbel_scale is None else gumbel_scale
        self._params = self._params._replace(gumbel_scale=float(scale))
        histories, lengths = games.history
        self._history, self._length = histories[0], np.int64(lengths[0])
        self._root.base[:] = 0
        self._root.draws[:] = 0
        self._proven_at, self._rounds, self._proves = 0, 0, proofs
        everything = np.zeros(0, np.uint16)
        words = np.uint64(seed & (2**64 - 1)), np.uint64(key & (2**64 - 1))
        stream = np.uint64(noise_stream(*words, np.int64(games.ply[0])))
        count = begin_root(self._tree, games.positions[0], everything if allowed is None else allowed, self._scratch)
        if count == 0 and allowed is not None:
            count = begin_root(self._tree, games.positions[0], everything, self._scratch)
        if count < 1:
            raise ValueError("a position without a legal move cannot be searched")
        if isinstance(self._evaluator, CompiledEvaluator):
            network = self._evaluator
            sane = slice_loops(network.evaluate)[1](
                self._tree, self._params, np.int64(count), stream, network.parameters, network.scratch, self._scratch
            )
        else:
            logits, value = self._ask(self._evaluator, 0, int(count))
            sane = take_root(self._tree, self._params, logits, np.int64(count), value, stream, self._scratch)
        if not sane:
            raise ValueError(_NO_NUMBER)

    def new_round(self) -> None:
        """From here on, wanted visits are counted from zero; the tree stays."""
        first, visited = int(self._tree.nodes[0]["first"]), int(self._tree.nodes[0]["visited"])
        self._root.base[:visited] = self._tree.edges["visits"][first : first + visited]
        self._rounds += 1

    def run(self, wanted: NDArray[np.int32]) -> int:
        """One simulation for each of `wanted`: the visits in this round that the root's move must have.

        Returns:
            how many were done; fewer when the memory is full.

        Raises:
            ValueError: the network's answer is NaN, infinite, or no distribution.
        """
        if isinstance(self._evaluator, CompiledEvaluator):
            network = self._evaluator
            wdl = getattr(network.scratch, "wdl", None)
            wdl = np.full(3, np.nan, np.float32) if wdl is None else wdl
            asked = self._tree, self._params, self._root, wanted, self._history, self._length
            done = slice_loops(network.evaluate)[0](*asked, network.parameters, network.scratch, wdl, self._scratch)
        else:
            done = self._run_leaf_by_leaf(self._evaluator, wanted)
        if done < 0:
            raise ValueError(_NO_NUMBER)
        return int(done)

    @property
    def simulations(self) -> int:
        """Done since `begin`."""
        return int(self._tree.state[SIMULATIONS])

    @property
    def moves(self) -> int:
        """Moves at the root that are searched."""
        return int(self._tree.nodes[0]["count"])

    @property
    def deepest(self) -> int:
        """The most plies that any simulation went."""
        return int(self._tree.state[DEEPEST])

    @property
    def mean_depth(self) -> float:
        """Plies that a simulation goes, in the mean; 0 before the first."""
        return float(self._tree.state[TRAVELLED]) / max(self.simulations, 1)

    @property
    def full(self) -> float:
        """Share of the memory in use."""
        nodes = self._tree.state[NODES] / len(self._tree.nodes)
        return float(max(nodes, self._tree.state[EDGES] / (len(self._tree.nodes) * EDGES_EACH)))

    def proof(self) -> int:
        """Whether the root is decided: see `RootMove.mate`. Looks once the tree has grown by a quarter."""
        self._prove(0)
        return mate_from_root(int(self._proofs[0]), 0)

    def look(self, most: int = MAX_LEGAL) -> list[RootMove]:
        """At most `most` of the root's moves, the one to be played first; see `root_moves`."""
        self._prove()
        return root_moves(self._tree, self._params.scaling, self._root, self._proofs, self._rounds > 0, most)

    def _prove(self, cheap: int = _CHEAP) -> None:
        nodes = int(self._tree.state[NODES])
        if not self._proves:
            self._proofs[:nodes] = 0
        elif nodes != self._proven_at and (nodes < cheap or nodes > _PROOF_GROWTH * self._proven_at):
            prove(self._tree, self._proofs)
            self._proven_at = nodes
        elif nodes > self._proven_at:
            self._proofs[self._proven_at : nodes] = 0  # not looked at yet

    def _run_leaf_by_leaf(self, network: LeafEvaluator, wanted: NDArray[np.int32]) -> int:
        tree, scratch = self._tree, self._scratch
        for done, visits in enumerate(wanted):
            if not has_room(tree):
                return done
            count = walk_kept(tree, self._params, self._root, visits, self._history, self._length, scratch)
            if count == 0:
                end_at_exact(tree, self._root)
                continue
            leaf = int(tree.path[tree.state[DEPTH], 0])
            logits, value = self._ask(network, leaf, int(count))
            if not end_at_leaf(tree, self._params, self._root, logits, count, value, math.nan, scratch):
                return -1
        return len(wanted)

    def _ask(self, network: LeafEvaluator, node: int, count: int) -> tuple[NDArray[np.float32], float]:
        found = network.evaluate_legal(
            self._tree.positions[node : node + 1], self._scratch.moves[None, :], np.array([count], np.int32)
        )
        return np.require(found.logits[0], np.float32, ["C", "W"]), float(found.values[0])
