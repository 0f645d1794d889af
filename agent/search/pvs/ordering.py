"""The order in which the moves of a position are tried, and what it learns from refutations."""

from typing import Final

import numpy as np

from agent.compilation import inlined
from agent.networks.sparse.vectors import borrowed
from agent.rules.bits import NOTHING, ONE, Words, u64
from agent.rules.exchange import NO_PIECE, WORTH, kind_on, wins_exchange
from agent.rules.layout import STATE
from agent.rules.record import BLACK, occupied
from agent.search.pvs.state import Search
from agent.search.pvs.steps import AGAIN, NEXT, generate
from agent.vocabulary import FROM, PLAIN, TO

GOOD_CAPTURE: Final = 200.0  # ranks above this: the hash move, and captures and promotions that lose nothing
_QUEENING: Final = 850
_MOST_HISTORY: Final = 16_000


@inlined
def side_of(position: Words) -> np.int64:
    """0 where White is to move, 1 where Black is."""
    return np.int64(position[STATE] & BLACK != NOTHING)


@inlined
def is_quiet(position: Words, move: np.int64) -> bool:
    """Neither a capture on its target nor a promotion."""
    return bool(move < PLAIN and occupied(position) & (ONE << u64(TO[move])) == NOTHING)


@inlined
def bring_best(search: Search, ply: np.int64) -> None:
    """Bring the move of the highest rank, of equals the last, to the front of the rest, which keeps its order."""
    search = borrowed(search)
    frame, moves, ranks = search.frames[ply], search.moves[ply], search.ranks[ply]
    place = best = u64(frame.place)
    highest = ranks[place]
    for i in range(place + ONE, u64(frame.count)):
        if ranks[i] >= highest:
            best, highest = u64(i), ranks[i]
    move = moves[best]
    while best > place:
        ranks[best], moves[best] = ranks[best - ONE], moves[best - ONE]
        best -= ONE
    ranks[place], moves[place] = highest, move


@inlined
def order_captures(search: Search, ply: np.int64) -> np.int64:
    """Keep the captures and promotions that lose nothing and may reach alpha; in check all moves."""
    search = borrowed(search)
    frame, position, moves = search.frames[ply], search.positions[ply], search.moves[ply]
    kept, history = np.int64(0), search.history[side_of(position)]
    for i in range(generate(search, ply)):
        move = np.int64(moves[i])
        captured = kind_on(position, ONE << u64(TO[move]))
        gain = WORTH[captured] + (_QUEENING if move >= PLAIN else 0)
        quiet = captured == NO_PIECE and move < PLAIN
        if not frame.check:
            hopeless = frame.static + gain + np.int64(search.margins[0].delta) < frame.alpha
            if quiet or hopeless or not wins_exchange(position, move, np.int64(0)):
                continue
        mover = kind_on(position, ONE << u64(FROM[move]))
        rank = history[move] / 1000.0 if quiet else np.float64(gain * 16 - WORTH[min(int(mover), 4)] // 16)
        moves[kept] = np.uint16(move)
        search.ranks[ply, kept] = np.float32(rank + (1e6 if move == frame.hash_move else 0.0))
        kept += 1
    frame.count, frame.stage = kept, NEXT
    return np.int64(AGAIN)


@inlined
def order(search: Search, ply: np.int64) -> np.int64:
    """With the policy known: the hash move, captures that win, then by the policy, killers and history."""
    search = borrowed(search)
    frame, position, moves, margins = search.frames[ply], search.positions[ply], search.moves[ply], search.margins[0]
    killers, history = search.killers[ply], search.history[side_of(position)]
    ranks, logits, everyone = search.ranks[ply], search.logits, occupied(position)
    peak = logits[0]
    for i in range(frame.count):
        peak = max(peak, logits[i])
    for i in range(frame.count):
        move = np.int64(moves[i])
        rank, target = np.float64(logits[i] - peak), ONE << u64(TO[move])
        if move == frame.hash_move:
            rank += 10_000.0
        elif move >= PLAIN or everyone & target != NOTHING:
            if wins_exchange(position, move, np.int64(0)):
                worth = WORTH[kind_on(position, target)]
                rank += GOOD_CAPTURE + 50.0 + 0.02 * worth + (17.0 if move >= PLAIN else 0.0)
            else:
                rank -= margins.bad_capture
        else:
            if move == killers[0] or move == killers[1]:
                rank += margins.killer
            rank += history[move] / margins.history
        ranks[i] = np.float32(rank)
    frame.stage = NEXT
    return np.int64(AGAIN)


@inlined
def reward(search: Search, ply: np.int64) -> None:
    """Remember the quiet move that refuted this position, and that those tried before it did not."""
    search = borrowed(search)
    frame, position, killers = search.frames[ply], search.positions[ply], search.killers[ply]
    move, depth = np.int64(frame.move), np.int64(frame.depth)
    if depth <= 0 or not is_quiet(position, move):
        return
    if killers[0] != move:
        killers[1], killers[0] = killers[0], np.uint16(move)
    history = search.history[side_of(position)]
    bonus = min(8 * depth * depth, np.int64(_MOST_HISTORY))
    for place in range(frame.place):
        tried = np.int64(search.moves[ply, place])
        if is_quiet(position, tried):
            old = np.int64(history[tried])
            history[tried] = old + (bonus if tried == move else -bonus) - old * bonus // _MOST_HISTORY
