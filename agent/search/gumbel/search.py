"""Gumbel search over batches of games: the public face of the search. See docs/search.md."""

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent import rules
from agent.compilation import on_warm_up
from agent.networks.contract import CompiledEvaluator, LeafEvaluator, LegalEvaluation
from agent.networks.registry import KINDS, architecture_of
from agent.rules import Games
from agent.rules.bits import Counts, Floats, Moves, Words
from agent.search.gumbel.batched import Past, begin_games, make_streams, make_waiting, walk_games, write_results
from agent.search.gumbel.loops import search_loop
from agent.search.gumbel.result import SearchResult, make_output
from agent.search.gumbel.tree import Tree
from agent.search.gumbel.walk import Scratch, SearchParams, make_params, make_scratch, make_trees
from agent.search.settings import SearchSettings
from agent.vocabulary import MAX_LEGAL


class GumbelSearch:
    """Policy improvement by planning with Gumbel (Danihelka et al. 2022), for a batch of chess games.

    Equal to mctx's `gumbel_muzero_policy` with its defaults, over legal moves only. For one thread at a time: the
    memory of the trees is kept between calls.

    With a compiled network the whole search is one call without the interpreter lock; else leaves are evaluated in
    batches. `Evaluator.for_search` gives the faster one."""

    def __init__(self, settings: SearchSettings, evaluator: LeafEvaluator | CompiledEvaluator) -> None:
        self.settings = settings
        self._evaluator = evaluator
        self._params = make_params(settings)
        self._scratch = make_scratch()
        self._trees = make_trees(0, settings.simulations)

    def run(self, games: Games, keys: ArrayLike | None = None, seed: int = 0) -> SearchResult:
        """Search every one of B games; they are not changed, and whether one goes on where a draw may be claimed is up
        to the caller. `keys` are integers [B] that name the games, zeros if not given. `seed`, key and ply alone fix
        the root noise of a game: the same position, seed and key give the same move in whatever batch. A ValueError
        that names the game where it has no legal move, or the network's answer is NaN, infinite, or gives no legal move
        any probability; and where `keys` do not fit."""
        batch = len(games)
        names = _checked_keys(keys, batch)
        if batch == 0:
            return make_output(0).trimmed()
        ends = np.flatnonzero(rules.count_moves(games.positions) < 1)
        if ends.size:
            raise ValueError(f"game {ends[0]} has no legal move: {rules.to_fen(games.positions[ends[0]])}")
        word = np.uint64(seed & (2**64 - 1))
        if isinstance(self._evaluator, CompiledEvaluator):
            return self._run_compiled(self._evaluator, games, names, word)
        return self._run_batched(self._evaluator, games, names, word)

    def _run_compiled(self, network: CompiledEvaluator, games: Games, keys: Words, seed: np.uint64) -> SearchResult:
        output, tree = make_output(len(games)), Tree(*(array[0] for array in self._trees_for(1)))
        asked = games.positions, *games.history, keys, games.ply, seed
        memory = tree, self._params, network.parameters, network.scratch, self._scratch
        faulty = search_loop(network.evaluate)(*asked, *memory, output)
        if faulty >= 0:
            raise no_number(faulty)
        return output.trimmed()

    def _run_batched(self, network: LeafEvaluator, games: Games, keys: Words, seed: np.uint64) -> SearchResult:
        """In one part; or in two, each of which walks its trees while the other waits for the network."""
        batch = len(games)
        trees, streams = self._trees_for(batch), np.empty(batch, np.uint64)
        make_streams(seed, keys, games.ply, streams)
        cuts = [0, batch // 2, batch] if batch > 1 and network.overlaps else [0, batch]
        memory = trees, streams, self._params, self._scratch, network
        parts = deque(_part(games, slice(*rows), *memory) for rows in itertools.pairwise(cuts))
        while parts:
            part = parts.popleft()
            if next(part, part) is None:  # it waits for the network
                parts.append(part)
        output = make_output(batch)
        write_results(trees, self._params, output, self._scratch)
        return output.trimmed()

    def _trees_for(self, games: int) -> Tree:
        """Trees of at least `games` games."""
        if len(self._trees.state) < games:
            self._trees = make_trees(games, self.settings.simulations)
        return self._trees


def _part(
    games: Games, rows: slice, trees: Tree, streams: Words, params: SearchParams, scratch: Scratch,
    network: LeafEvaluator,
) -> Iterator[None]:  # fmt: skip
    """The searches of games `rows` of a batch, in lock-step; yields as often as the network was asked. Raises
    ValueError: its answer is no number, or of another shape."""
    (history, lengths), arrays = games.history, cast(tuple[NDArray[Any], ...], trees)
    own, past = Tree(*(array[rows] for array in arrays)), Past(history[rows], lengths[rows], streams[rows])
    waiting = make_waiting(rows.stop - rows.start)
    length = int(begin_games(games.positions[rows], own, scratch, waiting))
    while length:
        counts = waiting.counts[:length]
        answer = network.ask_legal(waiting.positions[:length], waiting.moves[:length], counts)
        yield
        length = int(walk_games(own, params, past, *checked_leaves(answer(), counts), scratch, waiting))
        if length < 0:
            raise no_number(rows.start + int(waiting.games[-1 - length]))


class _Indifferent(LeafEvaluator):
    """Every move is as good as any other."""

    def evaluate_legal(self, positions: Words, moves: Moves, counts: Counts) -> LegalEvaluation:
        return LegalEvaluation(np.zeros(moves.shape, np.float32), np.zeros(len(positions), np.float32))


@on_warm_up
def _exercise() -> None:
    for network in (_Indifferent(), *(architecture_of(kind)().compiled() for kind in KINDS)):
        if network is not None:
            GumbelSearch(SearchSettings(simulations=2), network).run(Games(1))


def no_number(game: int) -> ValueError:
    """What to raise where the network's answer for a position of `game` is unusable."""
    return ValueError(f"the network's answer for a position of game {game} is NaN, infinite or no distribution")


def _checked_keys(keys: ArrayLike | None, batch: int) -> Words:
    array = np.zeros(batch, np.uint64) if keys is None else np.asarray(keys)
    if array.shape != (batch,) or (array.dtype.kind not in "iu" and batch):
        raise ValueError(f"keys must be integers of shape [{batch}], not {array.dtype} {list(array.shape)}")
    return np.require(
        array.astype(np.int64, copy=False).view(np.uint64) if array.dtype.kind == "i" else array, np.uint64, ["C", "W"]
    )


def checked_leaves(found: LegalEvaluation, counts: Counts) -> tuple[Floats, Floats]:
    """The network's answer as compiled code may read it. Raises ValueError: it does not cover every leaf and every
    legal move."""
    log_probs, values = (np.require(array, np.float32, ["C", "W"]) for array in (found.logits, found.values))
    length = len(counts)
    width = 0 if log_probs.ndim == 2 and log_probs.shape[1] >= MAX_LEGAL else int(counts.max())
    if log_probs.ndim != 2 or len(log_probs) != length or log_probs.shape[1] < width or values.shape != (length,):
        wanted = f"logits [{length}, at least {width}] and values [{length}]"
        raise ValueError(f"the network must give {wanted}, not {list(log_probs.shape)} and {list(values.shape)}")
    return log_probs, values
