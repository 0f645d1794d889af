"""Searching with a compiled network: a batch of whole searches, or a part of one search, is one call."""

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from agent.networks.sparse.vectors import borrowed
from agent.rules.bits import Counts, Words
from agent.search.compiled import bound, unbound
from agent.search.gumbel.result import SearchResult, write_result
from agent.search.gumbel.tree import Tree
from agent.search.gumbel.walk import Scratch, SearchParams, begin, noise_stream, take_in, walk_on

evaluate: Final[Callable[..., Any]] = unbound


def _search_games(
    positions: Words, histories: Words, lengths: Counts, keys: Words, plies: Counts, seed: np.uint64, tree: Tree,
    params: SearchParams, parameters: Any, network_scratch: Any, scratch: Scratch, output: SearchResult,
) -> int:  # fmt: skip
    """Search every game in turn, in one tree's memory; -1, or the row of the evaluation that was no number."""
    positions, histories, tree = borrowed(positions), borrowed(histories), borrowed(tree)
    params, scratch = borrowed(params), borrowed(scratch)
    for game in range(positions.shape[0]):
        stream = noise_stream(seed, keys[game], np.int64(plies[game]))
        count = begin(tree, positions[game], scratch.moves, scratch)
        while count > 0:
            leaf = tree.positions[tree.path[tree.state[0].depth, 0]]
            value = evaluate(leaf, scratch.moves, count, parameters, network_scratch, scratch.logits)
            if not take_in(tree, params, scratch.moves, scratch.logits, count, np.float64(value), stream, scratch):
                return game
            count = walk_on(tree, params, histories[game], np.int64(lengths[game]), scratch.moves, scratch)
        write_result(tree, params, np.int64(game), output, scratch)
    return -1


def _search_part(
    count: np.int64, limit: np.int64, history: Words, length: np.int64, stream: np.uint64, tree: Tree,
    params: SearchParams, parameters: Any, network_scratch: Any, scratch: Scratch,
) -> int:  # fmt: skip
    """Go on with one search, whose leaf with `count` moves waits, to `limit` simulations; the new count:
    0 once all simulations are done, -1 where the network's answer is no number."""
    history, tree, params, scratch = borrowed(history), borrowed(tree), borrowed(params), borrowed(scratch)
    while count > 0 and tree.state[0].simulations < limit:
        leaf = tree.positions[tree.path[tree.state[0].depth, 0]]
        value = evaluate(leaf, scratch.moves, count, parameters, network_scratch, scratch.logits)
        if not take_in(tree, params, scratch.moves, scratch.logits, count, np.float64(value), stream, scratch):
            return -1
        count = walk_on(tree, params, history, length, scratch.moves, scratch)
    return int(count)


# Compiled for the evaluator that they are called with.
search_loop: Final = functools.partial(bound, _search_games)
part_loop: Final = functools.partial(bound, _search_part)
