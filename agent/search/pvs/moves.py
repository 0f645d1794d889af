"""Trying the moves of a position one by one: which to skip, how deep to search, what their scores mean."""

import math

import numpy as np

from agent.compilation import inlined
from agent.networks.sparse.vectors import borrowed
from agent.rules.bits import NOTHING
from agent.rules.layout import OWN
from agent.rules.movegen import attackers_of, king_square
from agent.rules.record import occupied
from agent.rules.step import make_move
from agent.search.pvs.ordering import GOOD_CAPTURE, bring_best, is_quiet, reward
from agent.search.pvs.scores import PROVEN
from agent.search.pvs.state import FULL_WIDTH, LINE, NODES, ROOT_NODES, VALUE, Search
from agent.search.pvs.steps import AGAIN, FULL_DONE, NEXT, REDUCED_DONE, ZERO_DONE, call, finish, improves
from agent.search.pvs.table import AT_LEAST, AT_MOST, EXACT, NO_MOVE


@inlined
def next_move(search: Search, ply: np.int64) -> np.int64:
    """Begin with the next move that is worth it, or leave the position."""
    search = borrowed(search)
    frame, position, child = search.frames[ply], search.positions[ply], search.positions[ply + 1]
    depth, alpha, beta = np.int64(frame.depth), np.int64(frame.alpha), np.int64(frame.beta)
    while frame.place < frame.count:
        place = np.int64(frame.place)
        if ply > 0:
            bring_best(search, ply)
        move = np.int64(search.moves[ply, place])
        frame.place += 1
        quiet = is_quiet(position, move)
        if depth > 0 and frame.tried > 0 and _skips(search, ply, quiet, search.ranks[ply, place]):
            if quiet and frame.depth <= search.margins[0].bad_capture_depth:
                break  # those that follow would be skipped too
            continue
        make_move(position, move, child)
        frame.move = np.int32(move)
        if ply == 0:
            search.state[ROOT_NODES] = search.state[NODES]
        if depth <= 0 or frame.tried == 0:
            frame.stage = FULL_DONE
            return call(search, ply, max(depth - 1, np.int64(0)), -beta, -alpha, False)
        less = _reduction(search, ply, search.ranks[ply, place])
        frame.reduction, frame.stage = np.int32(less), REDUCED_DONE
        return call(search, ply, depth - 1 - less, -alpha - 1, -alpha, False)
    return finish(search, ply, np.int64(EXACT if frame.best > frame.bound else AT_MOST))


@inlined
def _skips(search: Search, ply: np.int64, quiet: bool, rank: float) -> bool:
    """Whether a move is not worth a search: too late in the order, too unlikely, or too little to win."""
    search = borrowed(search)
    frame, margins = search.frames[ply], search.margins[0]
    if frame.depth > margins.shallow or frame.check or frame.best <= -PROVEN or search.state[FULL_WIDTH]:
        return False
    if frame.beta - frame.bound > 1:
        return False
    if not quiet:
        return bool(rank < GOOD_CAPTURE and frame.depth <= margins.bad_capture_depth)
    most = (margins.late + frame.depth * frame.depth) * (1.0 if improves(search, ply) else margins.late_worse)
    late = frame.tried > most or rank < -margins.skip - margins.skip_slope * frame.depth
    return bool(late or frame.static + np.int64(margins.futile + margins.futile_slope * frame.depth) <= frame.alpha)


@inlined
def _reduction(search: Search, ply: np.int64, rank: float) -> np.int64:
    """Plies that the move, which has been made, is searched less deep at first."""
    search = borrowed(search)
    frame, child, margins = search.frames[ply], search.positions[ply + 1], search.margins[0]
    if frame.depth < 3 or frame.tried < 2 or rank > GOOD_CAPTURE or search.state[FULL_WIDTH]:
        return np.int64(0)
    more = margins.reduce_rank * max(-rank, 0.0) + (0.0 if improves(search, ply) else margins.reduce_worse)
    less = np.int64(margins.reduce + math.log(frame.depth) * math.log(frame.tried) / margins.reduce_divisor + more)
    less -= np.int64(frame.beta - frame.bound > 1)
    less += np.int64(rank < margins.unlikely) - np.int64(rank > margins.likely)
    gives_check = attackers_of(child, king_square(child), occupied(child)) & ~child[OWN] != NOTHING
    less -= np.int64(frame.check or gives_check)
    return np.int64(max(0, min(less, frame.depth - 2)))


@inlined
def after_child(search: Search, ply: np.int64) -> np.int64:
    """Take in the score of the move that was searched, or search it again, deeper or with an open window."""
    search = borrowed(search)
    frame = search.frames[ply]
    score = -search.state[VALUE]
    if score > frame.alpha and frame.stage != FULL_DONE:
        depth, alpha, beta = np.int64(frame.depth), np.int64(frame.alpha), np.int64(frame.beta)
        if frame.stage == REDUCED_DONE and frame.reduction > 0:
            frame.stage = ZERO_DONE
            return call(search, ply, depth - 1, -alpha - 1, -alpha, False)
        if score < beta:
            frame.stage = FULL_DONE
            return call(search, ply, depth - 1, -beta, -alpha, False)
    frame.tried += 1
    frame.stage = NEXT
    if ply == 0:
        _note_root_move(search, score)
    if score > frame.best:
        frame.best = score
        if score > frame.alpha:
            frame.alpha, frame.best_move = score, frame.move
            length = search.lengths[ply + 1]
            search.lines[ply, 0] = np.uint16(frame.move)
            search.lines[ply, 1 : length + 1] = search.lines[ply + 1, :length]
            search.lengths[ply] = length + 1
            if score >= frame.beta:
                reward(search, ply)
                return finish(search, ply, np.int64(AT_LEAST))
    return np.int64(AGAIN)


@inlined
def _note_root_move(search: Search, score: np.int64) -> None:
    search = borrowed(search)
    move = search.frames[0].move
    search.effort[move] += search.state[NODES] - search.state[ROOT_NODES]
    search.bounds[move] = score
    length = min(search.lengths[1], LINE - 1)
    search.replies[move, 0] = np.uint16(move)
    search.replies[move, 1 : length + 1] = search.lines[1, :length]
    search.replies[move, length + 1 :] = NO_MOVE
