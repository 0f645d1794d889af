"""Iterative deepening: the root searched to depth 1, 2, 3, ..., in slices that can stop at any node."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from agent.networks.contract import CompiledEvaluator
from agent.rules import Games, keys
from agent.search.compiled import bound
from agent.search.pvs.loop import BROKEN, search_on
from agent.search.pvs.margins import DEFAULTS
from agent.search.pvs.scores import INFINITE, PROVEN, mate_of, score_of, value_of
from agent.search.pvs.state import AGE, BASE, DEEPEST, FULL_WIDTH, NODES, PLY, ROOT_DEPTH, SELECTIVE, make_search
from agent.search.pvs.steps import NEXT, PAUSED
from agent.search.pvs.table import NO_MOVE, UNKNOWN, fullness, make_table
from agent.search.thinking import RootMove, RootOptions, Thinking, root_moves

_WINDOW: Final = 40  # half the first window around the last score
_FIRST_WINDOW: Final = 5  # depth from which windows are used
_HISTORY: Final = 1000  # most positions of the game that may be repeated


class PrincipalVariationSearch(Thinking):
    """See docs/search.md. The transposition table of `megabytes` stays between searches."""

    def __init__(self, evaluator: CompiledEvaluator, megabytes: int = 64) -> None:
        self._evaluator, self._megabytes = evaluator, megabytes
        self._search = make_search(megabytes)
        self._loop = bound(search_on, evaluator.evaluate)

    def begin(self, games: Games, options: RootOptions) -> None:
        """See `Thinking.begin`."""
        if options.mate:
            self.resize(self._megabytes)  # bounds found by a search that prunes prove no mate
        search, position = self._search, games.positions[0]
        row = root_moves(games, options)
        search.moves[0, : len(row)] = row
        network = self._evaluator
        memory = network.parameters, network.scratch, search.logits
        self._static = float(network.evaluate(position, search.moves[0], len(row), *memory))
        logits = search.logits[: len(row)]
        if not (np.isfinite(logits).all() and -1.0 <= self._static <= 1.0):
            raise ValueError(_NO_NUMBER)
        policy = np.exp(logits - logits.max())
        self._priors = dict(zip(row.tolist(), (policy / policy.sum()).tolist(), strict=True))
        self._logs = {move: math.log(max(prior, 1e-9)) for move, prior in self._priors.items()}
        self._order = sorted(self._priors, key=lambda move: -self._priors[move])
        histories, lengths = games.history
        past = histories[0][: lengths[0]][-_HISTORY:]
        search.keys[: len(past)] = past
        search.keys[len(past)] = keys(games.positions)[0]
        age = int(search.state[AGE])
        search.state[:] = 0
        search.state[AGE], search.state[BASE], search.state[FULL_WIDTH] = age + 1, len(past), options.mate
        search.positions[0] = position
        search.history[:] //= 4
        search.killers[:] = NO_MOVE
        search.effort[:] = 0
        search.bounds[:] = UNKNOWN
        self._found: list[tuple[int, int]] = []  # the best moves that have a score of their own, and that
        self._lines = min(options.lines, len(row))
        self._limit = self.nodes = self.deepest = self.depth = 0
        self._steps = self._deepen()

    def run(self, nodes: int) -> bool:
        """See `Thinking.run`."""
        self._limit = self.nodes + nodes
        more = next(self._steps, None) is not None
        self.nodes, self.deepest = (int(self._search.state[counter]) for counter in (NODES, SELECTIVE))
        return more

    def look(self, most: int) -> list[RootMove]:
        """See `Thinking.look`; a move past `RootOptions.lines` has the bound that its last search found."""
        search, bounds, scores = self._search, self._search.bounds, dict(self._found)
        chosen, lowest = len(scores), min(scores.values(), default=int(score_of(self._static)))
        if most > chosen:
            known = bounds != UNKNOWN
            rest = {m: min(int(bounds[m]), lowest) if known[m] else lowest for m in self._order if m not in scores}
            scores |= dict(sorted(rest.items(), key=lambda move: (-move[1], -int(search.effort[move[0]]))))
        found, highest = list[RootMove](), INFINITE
        for move, own in list(scores.items())[:most]:
            score = highest = min(own, highest)  # one of the depth before may be better than a new one
            exact = len(found) < chosen
            mate = mate_of(own) if own == score and (exact or bounds[move] == own < 0) else 0
            line = search.replies[move][search.replies[move] != NO_MOVE].tolist() if bounds[move] != UNKNOWN else [move]
            effort = int(search.effort[move])
            found.append(RootMove(move, self._priors[move], effort, value_of(score), mate, tuple(line), exact))
        return found

    def resize(self, megabytes: int) -> None:
        """See `Thinking.resize`."""
        if megabytes == self._megabytes:
            self._search.table.view(np.uint64)[:] = 0
        else:
            self._search, self._megabytes = self._search._replace(table=make_table(megabytes)), megabytes
        self._search.history[:] = 0
        self._search.state[AGE] = 0

    def set_constants(self, constants: Mapping[str, float]) -> None:
        """Use other constants than `margins.DEFAULTS`; all must be there."""
        self._search.margins[0] = tuple(constants[name] for name in DEFAULTS)

    @property
    def full(self) -> float:
        """See `Thinking.full`."""
        return fullness(self._search.table, int(self._search.state[AGE]))

    def _deepen(self) -> Iterator[bool]:
        """Yields at every pause."""
        for depth in range(1, DEEPEST // 2):
            self._search.state[ROOT_DEPTH] = depth
            earlier, ranked = dict(self._found), list[tuple[int, int]]()
            for _ in range(self._lines):
                done = dict(ranked)
                rest = [move for move in self._order if move not in done]
                guess = earlier.get(rest[0], ranked[-1][1] if ranked else 0)
                for line in self._narrow(rest, depth, guess):
                    self._merge([*ranked, *line], earlier)
                    yield True
                move = int(self._search.frames[0]["best_move"])
                ranked.append((move, int(self._search.frames[0]["best"])))
                self._merge(ranked, earlier)
                front = [move for move, _ in self._found]
                rest = [move for move in self._order if move not in front]
                efforts = self._search.effort[rest]
                self._order = front + [rest[place] for place in np.argsort(-efforts, kind="stable").tolist()]
            self.depth = depth
            if abs(ranked[-1][1]) > PROVEN and depth >= abs(mate_of(ranked[-1][1])):
                return

    def _merge(self, ranked: list[tuple[int, int]], earlier: dict[int, int]) -> None:
        """Make `ranked`, found at this depth, and after it what was found `earlier`, the result."""
        rest = [(move, score) for move, score in earlier.items() if move not in dict(ranked)]
        self._found = [*sorted(ranked, key=lambda line: -line[1]), *rest][: self._lines]

    def _narrow(self, moves: list[int], depth: int, guess: int) -> Iterator[list[tuple[int, int]]]:
        """Search `moves` to `depth` in growing windows around `guess`; at pauses the best line so far, if any."""
        low, high, width = -INFINITE, INFINITE, _WINDOW
        if depth >= _FIRST_WINDOW and abs(guess) < PROVEN:
            low, high = guess - width, guess + width
        frame = self._search.frames[0]
        while True:
            for _ in self._search_root(moves, depth, low, high):
                yield [(int(frame["best_move"]), int(frame["best"]))] if frame["best_move"] != NO_MOVE else []
            score, best = int(frame["best"]), int(frame["best_move"])
            if best != NO_MOVE:
                moves = [best, *(move for move in moves if move != best)]
            width *= 3
            if score <= low:
                low = max(low - width, -INFINITE)
            elif score >= high:
                high = min(high + width, INFINITE)
            else:
                return

    def _search_root(self, moves: list[int], depth: int, low: int, high: int) -> Iterator[None]:
        """Search `moves` in one window; yields at every pause."""
        search, network = self._search, self._evaluator
        frame = search.frames[0]
        search.moves[0, : len(moves)] = moves
        search.ranks[0, : len(moves)] = [self._logs[move] for move in moves]
        values = {
            "alpha": low, "beta": high, "bound": low, "best": -INFINITE, "static": UNKNOWN, "depth": depth,
            "count": len(moves), "place": 0, "tried": 0, "best_move": NO_MOVE, "stage": NEXT, "check": 0,
        }  # fmt: skip
        for name, value in values.items():
            frame[name] = value
        search.state[PLY] = search.lengths[0] = 0
        while True:
            ended = self._loop(search, np.int64(self._limit), network.parameters, network.scratch)
            if ended == BROKEN:
                raise ValueError(_NO_NUMBER)
            if ended != PAUSED:
                return
            yield


_NO_NUMBER: Final = "the network's answer for a position is NaN, infinite or no distribution"
