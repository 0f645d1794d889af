"""Playing weaker than one can: an Elo-like number to simulations and temperature. Light: no NumPy."""

from typing import Final, NamedTuple

WEAKEST: Final = 600
STRONGEST: Final = 2400
_FEWEST, _MOST = 4, 20_000


class Strength(NamedTuple):
    """How a weakened agent plays."""

    simulations: int
    """The most for a move."""
    temperature: float
    """Gumbel noise at the root: 0 always plays what it finds best."""


def strength_of(elo: int) -> Strength:
    """What UCI_Elo `elo` (WEAKEST..STRONGEST, held to that) means: an approximation, not a calibration.

    Simulations grow by the same factor with every point, from 4 to 20,000, and the temperature falls from 2
    at the weakest to 0 at the upper quarter. Real strength is that of the weights: an untrained network with
    a UCI_Elo of 2400 has not become a master.
    """
    share = (min(max(elo, WEAKEST), STRONGEST) - WEAKEST) / (STRONGEST - WEAKEST)
    simulations = round(_FEWEST * (_MOST / _FEWEST) ** share)
    return Strength(simulations, round(max(0.0, 2.0 * (1 - share / 0.75)), 3))
