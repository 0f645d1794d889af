"""How long and how to think about one move, and the share of a clock that a move may take. Light: no NumPy."""

import threading
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

MOVES_AHEAD: Final = 28  # moves that a clock without a time control must still last for
MOVES_KEPT: Final = 40  # moves whose overhead such a clock must still pay
RESERVE: Final = 0.3  # seconds on the clock below which moves get less than their share
PATIENCE: Final = 4.0  # a move that needs it may take as many times its share
MOST_SIMULATIONS_A_MOVE: Final = 1_000_000
DEFAULT_NODES: Final = 100_000  # of a move that nothing else limits
SLICE: Final = 0.002  # seconds between two looks at the clock


@dataclass(frozen=True)
class Clock:
    """The mover's clock, in seconds."""

    remaining: float
    increment: float = 0.0
    moves_to_go: int | None = None  # moves until the next time control; None: the time must last for the game


@dataclass(frozen=True)
class Limits:
    """When to stop thinking: at the first limit reached. With no limit: when told to."""

    simulations: int | None = None  # Gumbel search with as many simulations, fewer where the clock is short
    nodes: int | None = None  # of principal-variation search; simulations where the network is evaluated in batches
    seconds: float | None = None  # time for this move
    clock: Clock | None = None
    depth: int | None = None
    """Plies; for a network that is evaluated in batches, on average, or 10,000 simulations for each of them."""
    mate: int | None = None  # until a mate in as many moves is proven
    ponder: bool = False  # all other limits count only from `Control.hit` on
    infinite: bool = False  # do not answer before `Control.stop`, whatever is found
    moves: tuple[str, ...] = ()  # search only these moves (UCI notation); if none of them is legal, all
    overhead: float = 0.0  # seconds that the program and the connection take: subtracted from `seconds` and `clock`


@dataclass(frozen=True)
class ThinkOptions:
    """How to search, and how much to report."""

    lines: int = 1  # how many moves to report, the best first
    keep: int | None = None  # how many of these get a score of their own; the others have bounds. None: all.
    temperature: float = 0.0  # of the noise at the root of a search by `Limits.simulations`; 0 plays the best move
    seed: int = 0  # of the noise
    fresh: bool = False  # forget first what was found for other moves: then `Limits.nodes` repeats the move


class Control:
    """Cancellation token of one search, which also says when a pondered move was played. For any thread. `every`:
    seconds between reports, which then have the nodes of every move; None: reports get rarer with time."""

    def __init__(self, every: float | None = None) -> None:
        self.started, self.every = time.perf_counter(), every
        self._changed = threading.Condition()
        self.stopped = False  # whether to answer now
        self.hit_at: float | None = None  # when the pondered move was played, by `time.perf_counter`; None: not yet

    def stop(self) -> None:
        """Answer now."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def hit(self) -> None:
        """The pondered move was played: limits count from now on."""
        with self._changed:
            self.hit_at = self.hit_at or time.perf_counter()
            self._changed.notify_all()

    def wait(self, *, or_hit: bool = False) -> None:
        """Block until stopped (or, if asked, hit)."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or (or_hit and self.hit_at is not None))


class Budget(NamedTuple):
    """Seconds for one move."""

    soft: float  # its share, to be stretched or cut as the search goes
    hard: float  # never more


def allotted(limits: Limits) -> Budget | None:
    """Seconds that this move may take, from the moment its clock runs; None: no limit in time.

    The remaining time is shared out evenly over the moves ahead. Of the increment three quarters are used; the last
    quarter keeps time on the clock of a long fast game, for moments when the machine is slow. A move takes at most 30 %
    of what is left, the last one before a time control 80 %. Subtracted first are one look at the clock and the
    overhead, also that of the next moves as far as their increments do not pay it; where no more than that is left, the
    share is 0."""
    spare = limits.overhead + SLICE
    seconds, clock = limits.seconds, limits.clock
    if clock is None:
        return None if seconds is None else Budget(max(seconds - spare, 0.0), max(seconds - spare, 0.0))
    later = min(clock.moves_to_go or MOVES_KEPT, MOVES_KEPT) - 1
    left = max(clock.remaining - spare - later * max(limits.overhead - clock.increment, 0.0), 0.0)
    ahead = min(clock.moves_to_go or MOVES_AHEAD, MOVES_AHEAD)
    share = left / ahead + max(clock.increment - limits.overhead, 0.0) * 0.75
    # In the last moments shares shrink: a busy machine may be late at every move, or stall.
    most = left * (0.8 if ahead == 1 else 0.3) * min(1.0, left / RESERVE)
    most = most if seconds is None else min(most, max(seconds - spare, 0.0))
    return Budget(min(share, most), min(PATIENCE * share, most))
