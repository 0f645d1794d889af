"""When a search has thought enough: its limits, and how a move's share of the clock is stretched and cut."""

import time

from agent.engine.limits import SLICE, Budget, Control, Limits
from agent.search.thinking import Thinking


class Pace:
    """Decides between the slices of one search. `alone`: there is only one legal move."""

    def __init__(self, limits: Limits, control: Control, budget: Budget | None, alone: bool) -> None:
        self._limits, self._control, self._budget, self._alone = limits, control, budget, alone
        self._started: float | None = None if limits.ponder else control.started
        self._depth, self._move, self._stable, self._value, self._loss = 0, -1, 0, 0.0, 0.0

    def most(self, search: Thinking, size: int) -> int:
        """Nodes of the next slice: at most `size`, which takes up to `SLICE` seconds, and not far beyond a limit."""
        if self._limits.nodes is not None and self._begun():
            size = min(size, self._limits.nodes - search.nodes)
        if self._budget is not None and self._started is not None:
            left = self._started + self._budget.hard - time.perf_counter()
            size = min(size, round(size * left / SLICE))
        return max(size, 1)

    def _begun(self) -> bool:
        """Whether limits count already: from the pondered move on."""
        if self._started is None:
            self._started = self._control.hit_at
        return self._started is not None

    def is_over(self, search: Thinking) -> bool:
        """Whether to answer now."""
        limits = self._limits
        if self._control.stopped:
            return True
        self._note(search)
        if limits.mate is not None:
            plies = 2 * limits.mate - 1
            if search.depth >= plies or 0 < search.look(1)[0].mate <= plies:
                return True
        if not self._begun():
            return False
        if limits.nodes is not None and search.nodes >= limits.nodes:
            return True
        if limits.depth is not None and search.depth >= limits.depth:
            return True
        if self._budget is None or self._started is None:
            return False
        if self._alone and limits.clock is not None:
            return True
        elapsed = time.perf_counter() - self._started
        if limits.clock is None or elapsed >= self._budget.hard:
            return elapsed >= self._budget.hard
        patience = 1.0 if limits.simulations is not None else self._patience(search)
        return elapsed >= self._budget.soft * patience

    def _note(self, search: Thinking) -> None:
        """Note at every new depth, also while pondering, whether the best move stayed and what it lost."""
        if int(search.depth) > self._depth:
            best = search.look(1)[0]
            self._stable = min(self._stable + 1, 8) if best.move == self._move else 0
            self._loss = max(self._value - best.value, 0.0) if self._depth else 0.0
            self._depth, self._move, self._value = int(search.depth), best.move, best.value

    def _patience(self, search: Thinking) -> float:
        """Above 1 while the best move or its value changes, below 1 the longer it stays and the more work it took."""
        share = search.look(1)[0].nodes / max(search.nodes, 1)
        return (1.3 - 0.08 * self._stable) * (1.6 - share) * (1.0 + min(4.0 * self._loss, 0.8))
