"""What a finished game teaches: value targets and advantages for each of its plies. T plies a game."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.rules import Termination
from selfplay.record import GameRecord
from training.settings import LearnerSettings


@dataclass(frozen=True)
class Targets:
    """What a game teaches about each of its T plies, seen from the side to move."""

    wdl: NDArray[np.float32]  # [T, 3] the result as probabilities of win, draw, loss
    advantages: NDArray[np.float32]  # [T] how much better the game went after the move than expected before, in score


GAE_LAMBDA: Final = 0.95  # of the advantages


def white_score(record: GameRecord, adjudication: float) -> float:
    """Expected score of White at the end, -1..1: the result, or for a truncated game a weak guess from material. A
    queen up counts tanh(9 / 6) = 0.9 of `adjudication`: enough to teach what material is worth, too little to make the
    agent stop short of mate."""
    if record.termination == Termination.TRUNCATED:
        return float(adjudication * np.tanh(record.balance / 6.0))
    return float(record.outcome)


def targets(
    record: GameRecord, *, adjudication: float, value_lambda: float = 1.0, value_cut: float = 0.0,
    gae_lambda: float = GAE_LAMBDA,
) -> Targets:  # fmt: skip
    """Value targets and advantages of a game's plies.

    Advantages are generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438, eq. 16) for two
    players in turn: with v[t] seen from the side to move, delta[t] = -v[t + 1] - v[t] and
    A[t] = delta[t] - lambda * A[t + 1]; the result follows the last ply. No discount.

    Value targets are TD(lambda) returns (Sutton 1988; Baxter et al. 1998 for chess, arXiv cs/9901001):
    z[t] = (1 - lambda) * v[t] + lambda * flip(z[t + 1]), where v[t] is the player's value, its search included.
    With `value_lambda` 1 that is the result of the game, whatever the ply that decided it. At a move whose probability
    was below `value_cut` lambda is 0: what follows a move played to explore says nothing of the position before it
    (Watkins 1989, chapter 7, of Q-learning).
    `adjudication` is the most that a truncated game counts, 0..1."""
    plies = record.plies
    results = white_score(record, adjudication) * np.where(rules.is_black(record.positions), -1.0, 1.0)
    wdl = _as_outcomes(results)
    values = record.values.astype(np.float64)
    if value_lambda < 1 or value_cut > 0:
        weights = np.where(np.exp(record.log_probs) < value_cut, 0.0, value_lambda)
        outcomes = _as_outcomes(np.clip(values, -1, 1))
        target = wdl[-1]
        for ply in range(plies - 1, -1, -1):
            target = (1 - weights[ply]) * outcomes[ply] + weights[ply] * target
            wdl[ply] = target
            target = target[::-1]  # for the other side
    deltas = np.append(-values[1:], results[-1]) - values
    advantages = np.empty(plies)
    following = 0.0
    for ply in range(plies - 1, -1, -1):
        following = deltas[ply] - gae_lambda * following
        advantages[ply] = following
    return Targets(wdl.astype(np.float32), advantages.astype(np.float32))


def targets_by(learner: LearnerSettings, record: GameRecord) -> Targets:
    """Those that the settings ask for."""
    values = {"value_lambda": learner.value_lambda, "value_cut": learner.value_cut}
    return targets(record, adjudication=learner.adjudication, **values)


def _as_outcomes(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] expected scores to [T, 3] win, draw, loss of that mean: a small advantage is mostly a draw."""
    return np.stack([np.maximum(scores, 0), 1 - np.abs(scores), np.maximum(-scores, 0)], axis=1)
