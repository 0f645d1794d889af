"""Searching with a network that wants batches: one leaf a game waits, all of them are evaluated at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.rules.bits import Counts, Floats, Moves, Words
from agent.rules.layout import WORDS
from agent.rules.movegen import ROW
from agent.search.gumbel.result import SearchResult, write_result
from agent.search.gumbel.tree import Tree
from agent.search.gumbel.walk import Scratch, SearchParams, begin, noise_stream, take_in, walk_on


class Waiting(NamedTuple):
    """Leaves that wait for the network, G games at most; the first L rows count."""

    games: NDArray[np.int64]  # [G] whose they are, ascending
    positions: Words  # [G, WORDS]
    moves: Moves  # [G, ROW]
    counts: Counts  # [G]


class Past(NamedTuple):
    """What precedes G searches."""

    histories: Words  # [G, K] as `Games.history`
    lengths: Counts  # [G] valid entries of each history
    streams: Words  # [G] of the noise


def make_waiting(games: int) -> Waiting:
    """Room for the leaves of `games` games."""
    moves, counts = np.empty((games, ROW), np.uint16), np.empty(games, np.int32)
    return Waiting(np.empty(games, np.int64), np.empty((games, WORDS), np.uint64), moves, counts)


@njit
def _tree_of(trees: Tree, game: np.int64) -> Tree:
    return Tree(trees.positions[game], trees.nodes[game], trees.edges[game], trees.path[game], trees.state[game])


@njit
def begin_games(positions: Words, trees: Tree, scratch: Scratch, waiting: Waiting) -> np.int64:
    """Begin a search at each of `positions` [G, WORDS]; return how many roots wait."""
    length = np.int64(0)
    for game in range(positions.shape[0]):
        tree = _tree_of(trees, np.int64(game))
        count = begin(tree, positions[game], waiting.moves[length], scratch)
        if count > 0:
            waiting.games[length] = game
            waiting.positions[length, :] = tree.positions[0]
            waiting.counts[length] = count
            length += 1
    return length


@njit
def walk_games(
    trees: Tree, params: SearchParams, past: Past, log_probs: Floats, values: Floats, scratch: Scratch, waiting: Waiting
) -> np.int64:
    """Take in what the network says of the leaves that wait and walk on to the next ones, in their place. How many
    wait now; or -1 - row where the network's answer was no number."""
    length = np.int64(0)
    for row in range(values.shape[0]):
        game = waiting.games[row]
        tree = _tree_of(trees, game)
        count = np.int64(waiting.counts[row])
        value = np.float64(values[row])
        if not take_in(tree, params, waiting.moves[row], log_probs[row], count, value, past.streams[game], scratch):
            return np.int64(-1 - row)
        # Not below `row` yet, or just taken in: nothing that still waits is overwritten.
        history, known = past.histories[game], np.int64(past.lengths[game])
        count = walk_on(tree, params, history, known, waiting.moves[length], scratch)
        if count > 0:
            waiting.games[length] = game
            waiting.positions[length, :] = tree.positions[tree.path[tree.state[0].depth, 0]]
            waiting.counts[length] = count
            length += 1
    return length


@njit
def write_results(trees: Tree, params: SearchParams, output: SearchResult, scratch: Scratch) -> None:
    """Write the results of all games."""
    for game in range(output.moves.shape[0]):
        write_result(_tree_of(trees, np.int64(game)), params, np.int64(game), output, scratch)


@njit
def make_streams(seed: np.uint64, keys: Words, plies: Counts, streams: Words) -> None:
    """Write the noise stream of every game to `streams` [G]."""
    for game in range(keys.shape[0]):
        streams[game] = noise_stream(seed, keys[game], np.int64(plies[game]))
