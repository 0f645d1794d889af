"""How long and how to think about one move, and the share of a clock that a move may take. Light: no NumPy."""

import threading
import time
from dataclasses import dataclass
from typing import Final

MOVES_AHEAD: Final = 28  # moves that a clock without a time control must still last for
RESERVE: Final = 2.0  # seconds on the clock below which moves get less than their share
DEFAULT_SIMULATIONS: Final = 800  # simulations of a move that nothing else limits
SLICE: Final = 0.004  # seconds between two looks at the clock


@dataclass(frozen=True)
class Clock:
    """The mover's clock, in seconds."""

    remaining: float
    increment: float = 0.0
    moves_to_go: int | None = None
    """Moves until the next time control; None: the time must last for the game."""


@dataclass(frozen=True)
class Limits:
    """When to stop thinking: at the first limit reached. With no limit: when told to."""

    simulations: int | None = None
    seconds: float | None = None
    """Time for this move."""
    clock: Clock | None = None
    depth: int | None = None
    """Until simulations are this many plies deep on average, or there are 10,000 for each of them."""
    mate: int | None = None
    """Until a mate in as many moves is proven."""
    ponder: bool = False
    """All other limits count only from `Control.hit` on."""
    infinite: bool = False
    """Do not answer before `Control.stop`, whatever is found."""
    moves: tuple[str, ...] = ()
    """Search only these moves (UCI notation); if none of them is legal, all."""
    overhead: float = 0.0
    """Seconds that the program and the connection take: subtracted from `seconds` and `clock`."""
    planned: int | None = None
    """Share out as many simulations as these over the moves, though another limit may end the search before: so
    what was done can be repeated. None: as many as the other limits leave, estimated anew all the time."""


@dataclass(frozen=True)
class ThinkOptions:
    """How to search, and how much to report."""

    lines: int = 1
    """How many moves to report, the best first."""
    keep: int | None = None
    """How many of these are searched to the end, the others only until they fall behind; None: all."""
    temperature: float = 0.0
    """Of the noise at the root; 0 plays the best move."""
    seed: int = 0
    """Of the noise."""
    proofs: bool = True
    """Whether proven mates end the search and decide; without, the move is that of `GumbelSearch`."""


class Control:
    """Cancellation token of one search, which also says when a pondered move was played. For any thread."""

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
        """When the pondered move was played, by `time.perf_counter`; None: not yet."""
        return self._hit or None

    def stop(self) -> None:
        """Answer now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def hit(self) -> None:
        """The pondered move was played: limits count from now on."""
        with self._changed:
            self._hit = self._hit or time.perf_counter()
            self._changed.notify_all()

    def wait(self, *, or_hit: bool = False) -> None:
        """Block until stopped (or, if asked, hit)."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (or_hit and self._hit != 0.0))


def allotted(limits: Limits) -> float | None:
    """Seconds that this move may take, from the moment its clock runs; None: no limit in time.

    The remaining time is shared out evenly over the moves ahead. Of the increment three quarters are used; the
    last quarter keeps time on the clock of a long fast game, for moments when the machine is slow. A move takes
    at most 30 % of what is left, the last one before a time control 80 %. The overhead and one look at the clock
    are subtracted first; where no more than that is left, the share is 0.
    """
    overhead = limits.overhead
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
    # In the last seconds shares shrink: a busy machine may be late at every move, or stall.
    return min(share * min(1.0, left / RESERVE), left * (0.8 if ahead == 1 else 0.3))
