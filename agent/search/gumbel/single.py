"""One game's Gumbel search in slices, which can be watched and stopped: with a compiled network `GumbelSearch` to the
bit, with others nearly, for their leaves are evaluated together."""

import numpy as np

from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.rules import Games
from agent.search.gumbel.loops import part_loop
from agent.search.gumbel.search import no_number
from agent.search.gumbel.selection import transform
from agent.search.gumbel.together import Together
from agent.search.gumbel.tree import Tree, clear_node
from agent.search.gumbel.walk import begin, make_params, make_scratch, make_trees, noise_stream
from agent.search.settings import MOST_SIMULATIONS, SearchSettings
from agent.search.thinking import RootMove, RootOptions, Thinking, root_moves
from agent.vocabulary import MAX_LEGAL

_FIRST_ROUND, _GROWTH = 64, 4  # simulations of the first round, and by how much a round is larger than the one before
_PLY = 10_000  # simulations that count as a ply of depth, lest a wish for depth takes for ever
_LINE = 32  # longest line, in plies
_CHECKMATE = 1


class SingleGumbelSearch(Thinking):
    """A fixed number of simulations, or rounds of growing numbers, each a search of its own: what a clock allows.

    `megabytes` bounds the tree, and so the rounds."""

    def __init__(
        self, evaluator: LeafEvaluator | CompiledEvaluator, settings: SearchSettings, megabytes: int = 64
    ) -> None:
        self.settings, self._evaluator, self._scratch = settings, evaluator, make_scratch()
        self.resize(megabytes)

    def resize(self, megabytes: int) -> None:
        """See `Thinking.resize`."""
        self._largest = min(max(megabytes * 2**10, _FIRST_ROUND), MOST_SIMULATIONS)  # some 1,000 bytes a node

    def begin(self, games: Games, options: RootOptions) -> None:
        """See `Thinking.begin`."""
        self._games, self._options = games, options
        self.nodes, self.deepest, self.depth, self._before = 0, 0, 0.0, list[RootMove]()
        self._start(min(options.simulations or _FIRST_ROUND, MOST_SIMULATIONS))

    def _start(self, simulations: int) -> None:
        """Begin with a round."""
        games, options, scratch = self._games, self._options, self._scratch
        settings = {"simulations": simulations, "gumbel_scale": options.temperature}
        self._params = make_params(SearchSettings(**{**vars(self.settings), **settings}))
        self._tree = tree = Tree(*(array[0] for array in make_trees(1, simulations)))
        self._size = simulations
        seed, zero = np.uint64(options.seed & (2**64 - 1)), np.uint64(0)
        self._stream = np.uint64(noise_stream(seed, zero, np.int64(games.ply[0])))
        begin(tree, games.positions[0], scratch.moves, scratch)
        row = root_moves(games, options)
        self._mate = int(tree.nodes[0]["answer"])
        if self._mate not in row:
            self._mate = -1
        elif simulations > 1:
            self._start(1)  # there is nothing to search, but the policy is asked for
            return
        clear_node(tree.nodes, 0, tree.nodes[0]["key"])
        scratch.moves[: len(row)], self._count = row, len(row)
        histories, lengths = games.history
        self._past = histories[0], np.int64(lengths[0])
        if not isinstance(self._evaluator, CompiledEvaluator):
            memory = tree, self._params, row, self._past, self._stream, scratch
            self._together = Together(self._evaluator, *memory)

    def run(self, nodes: int) -> bool:
        """See `Thinking.run`."""
        done = int(self._tree.state[0]["simulations"])
        self._count = self._walk(min(done + nodes, self._size))
        state = self._tree.state
        self.nodes += int(state[0]["simulations"]) - done
        mean = float(state[0]["plies"]) / max(int(state[0]["simulations"]), 1)
        self.depth, self.deepest = max(mean, self.nodes / _PLY), max(self.deepest, int(state[0]["deepest"]))
        if self._count > 0:
            return True
        if self._mate >= 0 or self._options.simulations or self._size * _GROWTH > self._largest:
            return False
        self._before = self.look(MAX_LEGAL)
        self._start(self._size * _GROWTH)
        return True

    def _walk(self, limit: int) -> int:
        """Go on to `limit` simulations; 0 once the round is over."""
        tree, params, scratch, network = self._tree, self._params, self._scratch, self._evaluator
        if isinstance(network, CompiledEvaluator):
            memory = tree, params, network.parameters, network.scratch, scratch
            count = int(part_loop(network.evaluate)(self._count, limit, *self._past, self._stream, *memory))
            if count < 0:
                raise no_number(0)
            return count
        return self._together.walk(limit)

    def look(self, most: int) -> list[RootMove]:
        """See `Thinking.look`. What the round before found counts until this one is as large."""
        tree = self._tree
        if sum(move.nodes for move in self._before) > tree.state[0]["simulations"]:
            return self._before[:most]
        root = tree.nodes[:1].copy()
        first, count = int(root[0]["first"]), int(root[0]["count"])
        edges = tree.edges[first : first + count]
        root["visited"] = visited = np.count_nonzero(edges["visits"])  # other children are simulations under way
        slope, low, mixed, _ = transform(root, tree.edges, 0, self._params.scaling)
        values = np.where(np.arange(len(edges)) < visited, edges["value"], mixed).astype(np.float64)
        ranks = np.lexsort(
            (-(edges["order"] + slope * (values - low)), -edges["visits"], edges["action"] != self._mate)
        )
        found, highest = list[RootMove](), 1.0
        for place in ranks[:most].tolist():
            edge, move = edges[place], int(edges[place]["action"])
            mate = move == self._mate or (edge["child"] >= 0 and tree.nodes[edge["child"]]["exact"] == _CHECKMATE)
            highest = 1.0 if mate else min(highest, float(values[place]))
            line = (move,) if mate else self._line(first + place)
            found.append(RootMove(move, float(edge["prior"]), int(edge["visits"]), highest, int(mate), line, True))
        return found

    @property
    def full(self) -> float:
        """See `Thinking.full`."""
        return float(self._tree.state[0]["nodes"]) / len(self._tree.nodes)

    def _line(self, edge: int) -> tuple[int, ...]:
        """The moves from `edge` on: at every node the most visited, and a mate at the end."""
        nodes, edges, line = self._tree.nodes, self._tree.edges, list[int]()
        while len(line) < _LINE:
            line.append(int(edges[edge]["action"]))
            child = nodes[edges[edge]["child"]] if edges[edge]["child"] >= 0 else None
            if child is None or child["visited"] == 0:
                return tuple(line if child is None or child["answer"] < 0 else [*line, int(child["answer"])])
            first = int(child["first"])
            edge = first + int(np.argmax(edges["visits"][first : first + int(child["visited"])]))
        return tuple(line)
