"""Elo ratings of several players from their results against each other.

The model is that of Bradley and Terry (1952) on Elo's scale: a difference of d points makes the expected score
1 / (1 + 10^(-d / 400)), and a draw is half a win. One drawn game in a hundred is made up for every pair that met, so
that a player who won or lost everything gets a finite rating.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SCALE: Final = np.log(10) / 400
_MADE_UP: Final = 0.01
"""Share of drawn games added to a pair's."""
_STEPS: Final = 100


@dataclass(frozen=True)
class Pairing:
    """Games between two players, from the first one's side."""

    first: str
    second: str
    wins: int
    draws: int
    losses: int

    @property
    def games(self) -> int:
        """How many."""
        return self.wins + self.draws + self.losses


@dataclass(frozen=True)
class Rating:
    """A player's rating in Elo with its 95 % interval, relative to the anchors."""

    player: str
    elo: float
    low: float
    high: float
    games: int
    score: float
    """Share of all its points, 0..1."""


def ratings(pairings: Sequence[Pairing], anchors: Mapping[str, float]) -> list[Rating]:
    """Most likely ratings, best first.

    Args:
        pairings: results; all players must be connected through games.
        anchors: players whose rating is given; their intervals have no width. At least one must have played.

    Raises:
        ValueError: no anchor played, or some player is connected to no anchor.
    """
    names = sorted({name for pairing in pairings for name in (pairing.first, pairing.second)})
    place = {name: number for number, name in enumerate(names)}
    games, points = np.zeros((len(names), len(names))), np.zeros(len(names))
    for pairing in pairings:
        one, other = place[pairing.first], place[pairing.second]
        score = pairing.wins + pairing.draws / 2
        points[one] += score
        points[other] += pairing.games - score
        games[one, other] += pairing.games
        games[other, one] += pairing.games
    _check_connected(names, games, [name for name in anchors if name in place])
    free = np.array([number for number, name in enumerate(names) if name not in anchors], np.int64)
    elo = np.array([anchors.get(name, float(np.mean(list(anchors.values())))) for name in names])
    weights = games * (1 + _MADE_UP)
    targets = points + 0.5 * _MADE_UP * games.sum(1)
    information = np.zeros((len(free), len(free)))
    for _ in range(_STEPS):
        expected = 1 / (1 + np.exp(-_SCALE * (elo[:, None] - elo[None, :])))
        slopes = weights * expected * (1 - expected)
        gradient = (targets - (weights * expected).sum(1))[free] * _SCALE
        information = (np.diag(slopes.sum(1)) - slopes)[np.ix_(free, free)] * _SCALE**2
        if not len(free):
            break
        # Newton's method; far from the answer the curve is flat and a full step would leap away.
        step = np.clip(np.linalg.solve(information, gradient), -400, 400)
        elo[free] += step
        if np.abs(step).max() < 1e-9:
            break
    errors = np.zeros(len(names))
    if len(free):
        errors[free] = np.sqrt(np.diag(np.linalg.inv(information)))
    played = games.sum(1)
    found = [
        Rating(name, float(elo[i]), float(elo[i] - 1.96 * errors[i]), float(elo[i] + 1.96 * errors[i]),
               int(played[i]), float(points[i] / played[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return sorted(found, key=lambda rating: -rating.elo)


def _check_connected(names: Sequence[str], games: NDArray[np.float64], anchors: Sequence[str]) -> None:
    if not anchors:
        raise ValueError("no anchor played a game, so ratings would have no zero; add games against one")
    reached = {names.index(name) for name in anchors}
    waiting = list(reached)
    while waiting:
        new = set(np.flatnonzero(games[waiting.pop()]).tolist()) - reached
        reached |= new
        waiting += new
    lost = [name for number, name in enumerate(names) if number not in reached]
    if lost:
        raise ValueError(f"{lost[0]} has no games that connect it with an anchor")
