"""How the steps of the search pass a position on: to its child, to its parent, to the network."""

import numpy as np

from agent.compilation import inlined
from agent.networks.sparse.vectors import borrowed
from agent.rules.movegen import find_targets, write_moves
from agent.search.pvs.scores import PROVEN
from agent.search.pvs.state import AGE, BASE, FULL_WIDTH, VALUE, Search
from agent.search.pvs.table import NO_MOVE, UNKNOWN, store

# What to do next: go on here, at the child, at the parent; or what `loop.walk` returns.
AGAIN, CALL, RETURN, FINISHED, PAUSED, ASK_VALUE, ASK_POLICY = range(7)
# Where a frame goes on.
ENTER, VALUED, WEIGHED, NEXT, NULL_DONE, REDUCED_DONE, ZERO_DONE, FULL_DONE = range(8)


@inlined
def leave(search: Search, score: np.int64) -> np.int64:
    """Back to the parent with the position's `score`."""
    search = borrowed(search)
    search.state[VALUE] = score
    return np.int64(RETURN)


@inlined
def call(search: Search, ply: np.int64, depth: np.int64, alpha: np.int64, beta: np.int64, null: bool) -> np.int64:
    """On to the child, which stands in `search.positions`; `null` if no move led there."""
    search = borrowed(search)
    child = search.frames[ply + 1]
    child.depth, child.alpha, child.beta = depth, alpha, beta
    child.stage, child.no_null = ENTER, np.int32(null)
    return np.int64(CALL)


@inlined
def finish(search: Search, ply: np.int64, bound: np.int64) -> np.int64:
    """Back to the parent with the best score, which the table keeps; there mates count from the position."""
    search = borrowed(search)
    frame, score = search.frames[ply], np.int64(search.frames[ply].best)
    kept = score + ply if score > PROVEN else (score - ply if score < -PROVEN else score)
    key, depth = search.keys[search.state[BASE] + ply], max(np.int64(frame.depth), np.int64(0))
    move = np.int64(frame.best_move)
    store(search.table, key, search.state[AGE], depth, bound, kept, np.int64(frame.static), move)
    return leave(search, score)


@inlined
def improves(search: Search, ply: np.int64) -> bool:
    """Whether the network's score is better than two plies ago."""
    search = borrowed(search)
    if ply < 2:
        return True
    before = search.frames[ply - 2].static
    return bool(before == UNKNOWN or search.frames[ply].static > before)


@inlined
def generate(search: Search, ply: np.int64) -> np.int64:
    """Find the legal moves, unless they are known; their number."""
    search = borrowed(search)
    frame, position = search.frames[ply], search.positions[ply]
    if frame.count == UNKNOWN:
        find_targets(position, search.targets)
        frame.count = max(write_moves(position, search.targets, search.moves[ply]), np.int64(0))
    return np.int64(frame.count)


@inlined
def ask_policy(search: Search, ply: np.int64) -> np.int64:
    """On to the moves of a position that is not in check, or has some."""
    search = borrowed(search)
    frame = search.frames[ply]
    if generate(search, ply) == 0:
        return leave(search, np.int64(0))  # stalemate: mates were seen before
    known = frame.hash_move != NO_MOVE or frame.check or search.state[FULL_WIDTH]
    if not known and frame.depth >= search.margins[0].no_hash_move:
        frame.depth -= 1
    frame.stage = WEIGHED
    return np.int64(ASK_POLICY)
