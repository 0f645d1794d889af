"""The loop of the search: from step to step, up and down the stack, asking the network where a step wants it."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from agent.compilation import inlined
from agent.networks.sparse.vectors import borrowed
from agent.search.compiled import unbound
from agent.search.pvs import steps
from agent.search.pvs.enter import after_null, enter, weigh
from agent.search.pvs.moves import after_child, next_move
from agent.search.pvs.ordering import order
from agent.search.pvs.scores import score_of
from agent.search.pvs.state import NODES, PLY, Search

BROKEN: Final = 7  # the network's answer is no number


@inlined
def walk(search: Search, limit: np.int64) -> np.int64:
    """Search on; returns FINISHED, PAUSED (`limit` nodes are reached), ASK_VALUE or ASK_POLICY."""
    search = borrowed(search)
    state = search.state
    ply = state[PLY]
    while True:
        stage = search.frames[ply].stage
        if stage == steps.ENTER:
            if state[NODES] >= limit:
                return np.int64(steps.PAUSED)
            action = enter(search, ply)
        elif stage == steps.VALUED:
            action = weigh(search, ply)
        elif stage == steps.WEIGHED:
            action = order(search, ply)
        elif stage == steps.NEXT:
            action = next_move(search, ply)
        elif stage == steps.NULL_DONE:
            action = after_null(search, ply)
        else:
            action = after_child(search, ply)
        if action == steps.CALL:
            ply += 1
        elif action == steps.RETURN:
            if ply == 0:
                return np.int64(steps.FINISHED)
            ply -= 1
        elif action != steps.AGAIN:
            return np.int64(action)
        state[PLY] = ply


evaluate: Final[Callable[..., Any]] = unbound


def search_on(search: Search, limit: np.int64, parameters: Any, network_scratch: Any) -> int:
    """Search until the root is finished or `limit` nodes are reached; FINISHED, PAUSED or BROKEN."""
    search = borrowed(search)
    while True:
        asked = walk(search, limit)
        if asked < steps.ASK_VALUE:
            return int(asked)
        ply = search.state[PLY]
        count = np.int64(search.frames[ply].count) if asked == steps.ASK_POLICY else np.int64(0)
        value = evaluate(search.positions[ply], search.moves[ply], count, parameters, network_scratch, search.logits)
        search.frames[ply].static = score_of(np.float64(value))
        if not -1.0 <= value <= 1.0:
            return BROKEN
