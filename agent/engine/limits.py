"""How long to think: the limits of one move, and the share of a clock that a move may take. Light: no NumPy."""

import threading
import time
from dataclasses import dataclass
from typing import Final

MOVES_AHEAD: Final = 28
"""Moves that a clock without a time control must still last for."""
RESERVE: Final = 2.0
"""Seconds on the clock below which moves get less than their share."""
SLICE: Final = 0.004
"""Seconds between two looks at the clock."""


@dataclass(frozen=True)
class Clock:
    """The mover's clock, in seconds."""

    remaining: float
    increment: float = 0.0
    moves_to_go: int | None = None
    """Moves until the clock is filled up; None: it must last for the game."""


@dataclass(frozen=True)
class Limits:
    """When to stop thinking; whatever is reached first. Nothing given: until told to."""

    simulations: int | None = None
    seconds: float | None = None
    """Exactly as long, less the overhead."""
    clock: Clock | None = None
    depth: int | None = None
    """Until simulations go this many plies deep in the mean, or there are 10,000 for each of them."""
    mate: int | None = None
    """Until a mate in as many moves is proven."""
    ponder: bool = False
    """All other limits count only from `Control.hit` on."""
    infinite: bool = False
    """Do not answer before `Control.stop`, whatever is found."""
    moves: tuple[str, ...] = ()
    """Search these moves only (UCI); none of them legal, or empty: all."""


class Control:
    """The string on which a thinker hangs: pulled by any thread."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._changed = threading.Condition()
        self._stopped, self._hit = False, 0.0

    @property
    def stopped(self) -> bool:
        """Whether to answer now."""
        return self._stopped

    @property
    def hit_at(self) -> float | None:
        """When the move that was pondered on was played, by `time.perf_counter`; None: not yet."""
        return self._hit or None

    def stop(self) -> None:
        """Answer now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def hit(self) -> None:
        """The move that is pondered on was played: from now on the clock runs."""
        with self._changed:
            self._hit = self._hit or time.perf_counter()
            self._changed.notify_all()

    def wait(self, *, or_hit: bool = False) -> None:
        """Block until stopped (or, if asked, hit)."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (or_hit and self._hit != 0.0))


def allotted(limits: Limits, overhead: float) -> float | None:
    """Seconds that this move may take, from the moment its clock runs; None: as many as it likes.

    A clock is shared out evenly over the moves ahead, and of increments three quarters as they come: the last
    quarter is what keeps time on the clock of a long fast game, for moments when the machine is slow. Never
    more than 30 % of what is left but for the last move of a time control; nothing where only the overhead is
    left. What the program and the line take (`overhead`, seconds) comes off first, as does one look at the clock.
    """
    spare = overhead + SLICE
    if limits.seconds is not None:
        return max(limits.seconds - spare, 0.0)
    clock = limits.clock
    if clock is None:
        return None
    left = max(clock.remaining - spare, 0.0)
    ahead = min(clock.moves_to_go or MOVES_AHEAD, MOVES_AHEAD)
    # Every move ahead pays the overhead again, out of its own share.
    share = max(left - (ahead - 1) * overhead, 0.0) / ahead + max(clock.increment - overhead, 0.0) * 0.75
    # In the last seconds nothing is spent that is not there: a busy machine may be late at every move, or stand still.
    return min(share * min(1.0, left / RESERVE), left * (0.8 if ahead == 1 else 0.3))
