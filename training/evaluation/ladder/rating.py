"""Elo ratings of several players from their results against each other. The model is that of Bradley and Terry (1952)
on Elo's scale: a difference of d points makes the expected score 1 / (1 + 10^(-d / 400)), and a draw is half a win.
Each pair gets one additional drawn game per hundred, so that a player with only wins or only losses has a finite
rating."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.evaluation.match import MatchResult
from training.evaluation.sprt import expected_score

_SCALE: Final = np.log(10) / 400
_PRIOR: Final = 0.01  # drawn games added to a pair, as a share of its games


@dataclass
class Pairing:
    """Games between two players so far, from the first one's side."""

    first: str
    second: str
    wins: int = 0
    draws: int = 0
    losses: int = 0
    how: str = ""  # how the agent chose its moves, such as `64 simulations`
    seed: int = 0  # of the openings: further games continue their numbering

    @property
    def games(self) -> int:
        """Number of games."""
        return self.wins + self.draws + self.losses

    def add(self, result: MatchResult) -> None:
        """Include further games."""
        self.wins += result.wins
        self.draws += result.draws
        self.losses += result.losses


@dataclass(frozen=True)
class Rating:
    """A player's rating in Elo with its 95 % interval, relative to the anchors."""

    player: str
    elo: float
    elo_low: float
    elo_high: float
    games: int
    score: float  # share of all its points, 0..1


def ratings(pairings: Sequence[Pairing], anchors: Mapping[str, float]) -> list[Rating]:
    """Maximum-likelihood ratings, best first. `anchors` are players with a given rating, whose intervals have no width.
    A ValueError where none of them played, or some player is connected to none."""
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
    if not anchors.keys() & place.keys():
        raise ValueError("no anchor played a game, so the ratings have no zero; add games against one")
    if unconnected := sorted(set(names) - connected(pairings, anchors)):
        raise ValueError(f"{unconnected[0]} has no games that connect it with an anchor")
    free = np.array([number for number, name in enumerate(names) if name not in anchors], np.int64)
    elo = np.array([anchors.get(name, float(np.mean(list(anchors.values())))) for name in names])
    weights = games * (1 + _PRIOR)
    targets = points + 0.5 * _PRIOR * games.sum(1)
    for _ in range(100):
        expected = expected_score(elo[:, None] - elo[None, :])
        slopes = weights * expected * (1 - expected)
        gradient = (targets - (weights * expected).sum(1))[free] * _SCALE
        information = (np.diag(slopes.sum(1)) - slopes)[np.ix_(free, free)] * _SCALE**2
        # Newton's method. Far from the maximum the likelihood is flat, so a full step could diverge.
        step = np.clip(np.linalg.solve(information, gradient), -400, 400)
        elo[free] += step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    errors = np.zeros(len(names))
    errors[free] = np.sqrt(np.diag(np.linalg.inv(information)))
    played = games.sum(1)
    found = [
        Rating(name, float(elo[i]), float(elo[i] - 1.96 * errors[i]), float(elo[i] + 1.96 * errors[i]),
               int(played[i]), float(points[i] / played[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return sorted(found, key=lambda rating: -rating.elo)


def connected(pairings: Sequence[Pairing], anchors: Iterable[str]) -> set[str]:
    """The players whom games connect with an anchor, and the anchors."""
    found, before = set(anchors), 0
    while len(found) > before:
        before = len(found)
        for pairing in pairings:
            if pairing.games and (pairing.first in found or pairing.second in found):
                found |= {pairing.first, pairing.second}
    return found
