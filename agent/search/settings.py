"""Settings of a search, and the schedule of visits that follows from them."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SearchSettings:
    """Settings of Gumbel search; section numbers are those of Danihelka et al. 2022.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    simulations: int = 16
    """Leaves per move; 0 plays straight from the policy."""
    considered: int = 16
    """Moves considered at the root, m of section 2: the best by logit + Gumbel noise."""
    c_visit: float = 50.0
    """Visits added to the highest visit count where values are scaled (section 4)."""
    c_scale: float = 0.1
    """Weight of the values against the logits (section 4)."""
    rescale: bool = True
    """Whether the values of a node's moves are stretched to 0..1 before they are weighed, as mctx does."""
    gumbel_scale: float = 1.0
    """Size of the root noise, a temperature: 0 plays the best move, 1 samples as the paper does."""
    claim_draws: bool = True
    """Whether 50 moves and threefold repetition end a line as a draw, as they do where players may claim."""
    find_mates: bool = True
    """Whether a position whose side to move can mate at once counts as won without asking the network."""

    def __post_init__(self) -> None:
        if self.simulations < 0:
            raise ValueError(f"simulations must be at least 0, not {self.simulations}")
        if self.considered < 1:
            raise ValueError(f"considered must be at least 1, not {self.considered}")
        for name in ("c_visit", "c_scale", "gumbel_scale"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and at least 0, not {getattr(self, name)}")


@functools.lru_cache(maxsize=64)
def visit_schedule(considered: int, simulations: int) -> NDArray[np.int32]:
    """Visit count that a root move must have to be visited in each simulation (sequential halving, section 2).

    Returns:
        int32 [considered + 1, simulations], read-only: row r for a root with r moves to consider.
    """
    schedule = np.array([_visits(count, simulations) for count in range(considered + 1)], np.int32)
    schedule = schedule.reshape(considered + 1, simulations)
    schedule.setflags(write=False)
    return schedule


def _visits(considered: int, simulations: int) -> list[int]:
    """Halve the moves considered log2(m) times, giving each phase as many simulations as the others."""
    if considered <= 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(considered))
    sequence: list[int] = []
    visited, remaining = 0, considered
    while len(sequence) < simulations:
        for _ in range(max(1, simulations // (phases * remaining))):
            sequence += [visited] * remaining
            visited += 1
        remaining = max(2, remaining // 2)
    return sequence[:simulations]
