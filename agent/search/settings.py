"""Settings of a search, and the schedule of visits that follows from them."""

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.rules.bits import Counts

MOST_SIMULATIONS: Final = 5_000_000  # edges are numbered by 32 bits


@dataclass(frozen=True)
class SearchSettings:
    """Settings of Gumbel search; section numbers are those of Danihelka et al. 2022. Raises ValueError: a value is out
    of range; the message names it."""

    simulations: int = 16  # leaves per move; 0 plays straight from the policy
    max_considered_actions: int = 16
    """Moves considered at the root, m of section 2: the best by logit + Gumbel noise. 0: the number that plays
    best, see `considered`."""
    c_visit: float = 50.0  # visits added to the highest visit count where values are scaled (section 4)
    c_scale: float = 0.1  # weight of the values against the logits (section 4)
    c_puct: float = 0.0
    """0: below the root visits follow the improved policy (section 5). Above: PUCT's constant of exploration there,
    which large trees need (Silver et al. 2017)."""
    policy_temperature: float = 1.0
    """Of the network's policy below the root: above 1 unlikely replies are looked at sooner."""
    gumbel_scale: float = 1.0
    """Size of the root noise, a temperature: 0 plays the best move, 1 samples as the paper does."""

    def __post_init__(self) -> None:
        if not 0 <= self.simulations <= MOST_SIMULATIONS:
            raise ValueError(f"simulations must lie in 0..{MOST_SIMULATIONS}, not {self.simulations}")
        if self.max_considered_actions < 0:
            raise ValueError(f"max_considered_actions must be at least 0, not {self.max_considered_actions}")
        for name in ("c_visit", "c_scale", "c_puct", "gumbel_scale"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and at least 0, not {getattr(self, name)}")
        if not 0.01 <= self.policy_temperature <= 100:
            raise ValueError(f"policy_temperature must lie in 0.01..100, not {self.policy_temperature}")

    @property
    def considered(self) -> int:
        """Moves considered at the root."""
        return self.max_considered_actions or min(max(round(0.85 * self.simulations ** (1 / 3)), 2), 16)


def playing(simulations: int = 16) -> SearchSettings:
    """The settings of matches and games: no noise, few moves at the root, a low weight of few visits, PUCT.

    `c_visit` 10 won two thirds of the points against the paper's 50 at 1,000 simulations, PUCT below the root nine
    tenths against the paper's rule at 10,000, a few moves at the root 78 % against 16 at 16 simulations (docs/log.md).
    """
    return SearchSettings(simulations, 0, c_visit=10.0, c_puct=1.2, policy_temperature=1.4, gumbel_scale=0.0)


@functools.lru_cache(maxsize=16)
def visit_schedule(considered: int, simulations: int) -> Counts:
    """Visit count that a root move must have to be visited in each simulation (sequential halving, section 2): int32
    [considered + 1, simulations], read-only, row r for a root with r moves to consider."""
    schedule = np.stack([_visits(count, simulations) for count in range(considered + 1)])
    schedule.setflags(write=False)
    return schedule


def _visits(considered: int, simulations: int) -> Counts:
    """Halve the moves considered log2(m) times, giving each phase as many simulations as the others."""
    if considered <= 1:
        return np.arange(simulations, dtype=np.int32)
    phases = math.ceil(math.log2(considered))
    parts = [np.zeros(0, np.int32)]
    visited, remaining, done = 0, considered, 0
    while done < simulations:
        rounds = max(1, simulations // (phases * remaining))
        parts.append(np.repeat(np.arange(visited, visited + rounds, dtype=np.int32), remaining))
        visited, done = visited + rounds, done + rounds * remaining
        remaining = max(2, remaining // 2)
    return np.concatenate(parts)[:simulations]
