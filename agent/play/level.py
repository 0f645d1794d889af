"""How strongly the agent plays, as people type it."""

import re
from dataclasses import dataclass
from typing import Final

from agent.engine.limits import MOST_SIMULATIONS_A_MOVE, Clock, Limits
from agent.errors import InputError
from agent.notation import quote
from agent.play.strength import STRONGEST, WEAKEST, Strength, strength_of

_LEVEL: Final = re.compile(
    r"(elo)?\s*([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(s|sec|seconds|simulations|sims|elo)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Level:
    """Simulations a move, or seconds a move, or an Elo rating: exactly one of them."""

    simulations: int | None = None
    seconds: float | None = None
    elo: int | None = None  # as measured; see `play.strength`

    def __str__(self) -> str:
        if self.elo is not None:
            return f"about {self.elo} Elo"
        return f"{self.seconds:g} s a move" if self.seconds is not None else f"{self.simulations} simulations"

    @property
    def strength(self) -> Strength:
        """How to play; of a level in seconds only that nothing weakens it."""
        return Strength(self.simulations or 0) if self.elo is None else strength_of(self.elo)

    def limits(self, clock: Clock | None = None) -> Limits:
        """What it allows for one move, and the mover's clock."""
        overhead = 0.0 if clock is None else 0.05
        return Limits(self.strength.simulations or None, seconds=self.seconds, clock=clock, overhead=overhead)


def read_level(text: str) -> Level:
    """`400`, `400 simulations`, `2s`, `0.5 s`, `elo 1200`, `1200 elo`. Raises InputError for all else."""
    match = _LEVEL.fullmatch(text.strip())
    wanted = f"give simulations such as 400, seconds such as 2s, or elo 1200 ({WEAKEST}..{STRONGEST})"
    if match is None:
        raise InputError(f"strength {quote(text)} cannot be read; {wanted}")
    before, number, behind = match[1], float(match[2]), (match[3] or "").lower()
    if before or behind == "elo":
        if not WEAKEST <= number <= STRONGEST or not number.is_integer() or (before and behind):
            raise InputError(f"strength {quote(text)} is out of range; {wanted}")
        return Level(elo=int(number))
    if behind.startswith("s") and not behind.startswith("sim"):
        if not 0.001 <= number <= 3600:
            raise InputError(f"strength {quote(text)} is out of range; seconds are 0.001..3600")
        return Level(seconds=number)
    if not number.is_integer() or not 1 <= number <= MOST_SIMULATIONS_A_MOVE:
        raise InputError(f"strength {quote(text)} is out of range; simulations are whole, 1..{MOST_SIMULATIONS_A_MOVE}")
    return Level(simulations=int(number))
