"""Entering a position: draws, mates and the table; then, with the network's score, whether it needs a search at all."""

import numpy as np

from agent.compilation import inlined
from agent.networks.sparse.vectors import borrowed
from agent.rules.bits import NOTHING, Words, mirror
from agent.rules.layout import BISHOPS, KINGS, KNIGHTS, OWN, QUEENS, ROOKS, STATE
from agent.rules.movegen import attackers_of, king_square
from agent.rules.record import CASTLING, halfmove_clock, next_state, occupied, repetition_key, swap_sides
from agent.rules.termination import insufficient_material
from agent.search.pvs.ordering import order_captures
from agent.search.pvs.scores import INFINITE, MATE, PROVEN
from agent.search.pvs.state import BASE, DEEPEST, FULL_WIDTH, NODES, ROOT_DEPTH, SELECTIVE, VALUE, Search
from agent.search.pvs.steps import AGAIN, ASK_VALUE, NULL_DONE, VALUED, ask_policy, call, finish, generate, leave
from agent.search.pvs.table import AT_LEAST, AT_MOST, EXACT, NO_MOVE, UNKNOWN, find


@inlined
def _repeated(search: Search, ply: np.int64, key: np.uint64, clock: np.int64) -> bool:
    """Whether the position stood in the line or the game before. Once is enough: who counted only the third time
    would shuffle while it wins, until nothing else is left."""
    search = borrowed(search)
    at = search.state[BASE] + ply
    for back in range(4, min(clock, at) + 1, 2):  # noqa: SIM110  Numba compiles no `any`
        if search.keys[at - back] == key:
            return True
    return False


@inlined
def enter(search: Search, ply: np.int64) -> np.int64:
    """Begin with a position."""
    search = borrowed(search)
    frame, position = search.frames[ply], search.positions[ply]
    search.state[NODES] += 1
    search.state[SELECTIVE] = max(search.state[SELECTIVE], ply)
    search.lengths[ply] = 0
    key, clock = repetition_key(position), np.int64(halfmove_clock(position[STATE]))
    search.keys[search.state[BASE] + ply] = key
    if insufficient_material(position) or _repeated(search, ply, key, clock):
        return leave(search, np.int64(0))
    alpha = max(np.int64(frame.alpha), ply - MATE)
    beta = min(np.int64(frame.beta), MATE - ply - 1)
    if alpha >= beta:
        return leave(search, alpha)  # no mate from here is sooner than one that is known
    frame.alpha, frame.beta, frame.bound = alpha, beta, alpha
    frame.best, frame.best_move, frame.hash_move = -INFINITE, NO_MOVE, NO_MOVE
    frame.place, frame.tried, frame.static, frame.count = 0, 0, UNKNOWN, UNKNOWN
    depth, open_window = max(np.int64(frame.depth), np.int64(0)), beta - alpha > 1
    place = find(search.table, key)
    if place >= 0:
        entry = search.table[place]
        frame.hash_move, frame.static = np.int32(entry.move), np.int32(entry.static)
        score, bound = np.int64(entry.score), np.int64(entry.mark & 3)
        score = score - ply if score > PROVEN else (score + ply if score < -PROVEN else score)
        fits = bound == EXACT or (bound == AT_LEAST and score >= beta) or (bound == AT_MOST and score <= alpha)
        if fits and not open_window and entry.depth >= depth and clock < 90:
            return leave(search, score)
    checkers = attackers_of(position, king_square(position), occupied(position)) & ~position[OWN]
    frame.check = np.int32(checkers != NOTHING)
    if frame.check and generate(search, ply) == 0:
        return leave(search, ply - MATE)
    if clock >= 100:
        return leave(search, np.int64(0))
    if ply < DEEPEST:
        if frame.check:
            if depth == 0:
                return order_captures(search, ply)
            if ply < 2 * search.state[ROOT_DEPTH]:
                frame.depth += 1
            return ask_policy(search, ply)
        if open_window and depth > 0:
            return ask_policy(search, ply)
    frame.stage = VALUED
    return np.int64(AGAIN if frame.static != UNKNOWN else ASK_VALUE)


@inlined
def weigh(search: Search, ply: np.int64) -> np.int64:
    """With the network's score known: stop here, ask for the policy, or try captures."""
    search = borrowed(search)
    frame, position, margins = search.frames[ply], search.positions[ply], search.margins[0]
    static, beta, depth = np.int64(frame.static), np.int64(frame.beta), np.int64(frame.depth)
    if ply >= DEEPEST:
        return leave(search, static)
    if depth > 0 and search.state[FULL_WIDTH]:
        return ask_policy(search, ply)
    if depth <= 0:
        frame.best = static
        if static >= beta:
            return finish(search, ply, np.int64(AT_LEAST))
        frame.alpha = max(frame.alpha, frame.best)
        return order_captures(search, ply)
    if abs(beta) < PROVEN and static >= beta:
        if depth <= margins.reverse_depth and static - np.int64(margins.reverse) * depth >= beta:
            return leave(search, static)
        # Where only pawns are left, having to move may be what loses: no null move.
        pieces = (position[KNIGHTS] | position[BISHOPS] | position[ROOKS] | position[QUEENS]) & position[OWN]
        if depth >= 3 and pieces != NOTHING and not frame.no_null:
            frame.stage = NULL_DONE
            _pass(position, search.positions[ply + 1])
            less = np.int64(margins.null) + depth // 4 + min((static - beta) // 200, np.int64(2))
            return call(search, ply, depth - less, -beta, -beta + 1, True)
    return ask_policy(search, ply)


@inlined
def _pass(position: Words, child: Words) -> None:
    """Write to `child` the position after no move, seen by the other side."""
    for word in range(KINGS + 1):
        child[word] = mirror(position[word])
    child[OWN] = mirror(occupied(position) & ~position[OWN])
    state = position[STATE]
    child[STATE] = next_state(state, swap_sides(state & CASTLING), NOTHING, True)


@inlined
def after_null(search: Search, ply: np.int64) -> np.int64:
    """The opponent has moved twice: if that is not enough for it, this position is good enough."""
    search = borrowed(search)
    score = -search.state[VALUE]
    if score >= search.frames[ply].beta:
        return leave(search, min(score, np.int64(PROVEN)))
    return ask_policy(search, ply)
