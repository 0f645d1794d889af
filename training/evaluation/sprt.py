"""A sequential test of a match: whether the player is `elo0` or `elo1` better, with as few games as possible.

The generalised sequential probability ratio test (Li, Liu and Ying 2014, "Generalized sequential probability ratio test
for separate families of hypotheses") as the testers of Stockfish use it (M. Van den Bergh, "A practical introduction to
the GSPRT"). The observation is the score of a pair of games on one opening with colours exchanged: 0, 1/4, 1/2, 3/4
or 1. The games of a pair are correlated, so counting single games would overstate the evidence.

Both hypotheses fix only the expected score. Each gets the distribution with that expectation under which the observed
pairs are most likely (the empirical likelihood of Owen 1988). The test ends when the log-likelihood ratio leaves Wald's
bounds."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent.errors import InputError

SCORES: Final = np.arange(5) / 4  # score of a pair of games, from two losses to two wins
ERROR_RATE: Final = 0.05  # of saying elo1 where elo0 is true, and the other way round
BOUNDS: Final = (math.log(ERROR_RATE / (1 - ERROR_RATE)), math.log((1 - ERROR_RATE) / ERROR_RATE))
"""Wald's bounds (1945) of the log-likelihood ratio: below the first elo0, above the second elo1."""
_UNSEEN: Final = 1e-3  # count given to a score that did not occur, so that every expectation remains possible

Verdict = Literal["elo1", "elo0", "undecided"]


@dataclass(frozen=True)
class Sprt:
    """The test that the player is `elo1` better rather than `elo0`; a ValueError where elo0 is not below elo1, or they
    lie beyond +-1000."""

    elo0: float
    elo1: float

    def __post_init__(self) -> None:
        if not -1000 <= self.elo0 < self.elo1 <= 1000:
            raise ValueError("the first Elo must be below the second, both within -1000..1000")

    def ratio(self, pairs: NDArray[np.integer]) -> NDArray[np.float64]:
        """Log-likelihood ratio of elo1 to elo0 after `pairs` [..., 5], counted by score; positive favours elo1."""
        counts = np.where(pairs > 0, pairs, _UNSEEN).astype(np.float64)
        one, other = (_most_likely(counts, expected_score(elo)) for elo in (self.elo1, self.elo0))
        ratio: NDArray[np.float64] = (counts * (np.log(one) - np.log(other))).sum(-1)
        return ratio

    def verdict(self, pairs: ArrayLike) -> Verdict:
        """The decision after `pairs` [5]."""
        ratio = float(self.ratio(np.asarray(pairs)))
        return "elo1" if ratio >= BOUNDS[1] else "elo0" if not ratio > BOUNDS[0] else "undecided"

    def to_json(self, pairs: Sequence[int]) -> dict[str, Any]:
        """The test, its state after `pairs` [5], and its verdict."""
        test = {**asdict(self), "alpha": ERROR_RATE, "beta": ERROR_RATE, "lower": BOUNDS[0], "upper": BOUNDS[1]}
        ratio = float(self.ratio(np.array(pairs)))
        return {**test, "ratio": ratio, "pairs": list(pairs), "verdict": self.verdict(pairs)}

    def sentence(self, pairs: Sequence[int]) -> str:
        """For people."""
        ratio = float(self.ratio(np.array(pairs)))
        state = f"log-likelihood ratio {ratio:.2f} of {BOUNDS[0]:.2f} to {BOUNDS[1]:.2f}"
        verdict, tested = self.verdict(pairs), f"{self.elo1:+g} Elo rather than {self.elo0:+g}"
        if verdict == "undecided":
            return f"not decided whether {tested}: too few games ({state})"
        answer = "yes" if verdict == "elo1" else "no"
        return f"decided after {2 * sum(pairs)} games: {answer} to {tested} ({state})"


def read_sprt(text: str) -> Sprt:
    """A test from `ELO0:ELO1`; an InputError where it is not of that form or the values are not a valid test."""
    low, separator, high = text.partition(":")
    try:
        if not separator:
            raise ValueError("there is no colon")
        return Sprt(float(low), float(high))
    except ValueError as error:
        raise InputError(f"--sprt '{text}' is not a test ({error}); write 0:50 to test +50 against 0 Elo") from error


def pairs_of(points: NDArray[np.int8]) -> NDArray[np.int64]:
    """Pairs by their score, int64 [5], from `points` [games] of 1, 0 and -1, two games an opening."""
    whole = points[: len(points) // 2 * 2].reshape(-1, 2).astype(np.int64)
    return np.bincount(whole.sum(1) + 2, minlength=5)


def expected_score(elo: Any) -> Any:
    """Expected score of a player who is `elo` better, a number or an array."""
    return 1 / (1 + 10 ** (-elo / 400))


def _most_likely(counts: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """The distribution over SCORES [..., 5] with expectation `mean` under which `counts` [..., 5] are most likely. It
    is share / (1 + x (score - mean)), with the one x that gives the expectation (Owen 1988, section 2)."""
    shares = counts / counts.sum(-1, keepdims=True)
    away = SCORES - mean
    # Between these every probability is positive, and the expectation falls as x grows.
    low = np.full((*counts.shape[:-1], 1), -1 / away[-1])
    high = np.full_like(low, -1 / away[0])
    for _ in range(60):  # bisection
        x = (low + high) / 2
        above = (shares * away / (1 + x * away)).sum(-1, keepdims=True) > 0
        low, high = np.where(above, x, low), np.where(above, high, x)
    found: NDArray[np.float64] = shares / (1 + (low + high) / 2 * away)
    return found
