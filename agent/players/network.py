"""Players without a search tree: the policy alone, and the value one ply ahead."""

import numpy as np
import torch

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.players.player import Choice, best_in_segments
from agent.rules import Games, Termination


class PolicyPlayer:
    """Plays the most probable move of the masked policy."""

    name = "policy"

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        evaluation = self._evaluator.evaluate(games.positions)
        legal = torch.from_numpy(rules.legal_bits(games.positions)).to(evaluation.logits.device)
        moves = MaskedPolicy(evaluation.logits, legal).mode
        return Choice(moves.cpu().numpy().astype(np.uint16), evaluation.values.cpu().numpy())


class LookaheadPlayer:
    """Looks one ply ahead: plays the move whose successor the value head likes least for the opponent.

    Mates and draws by rule are exact; the policy's log-probability breaks near-ties.

    Args:
        evaluator: the network.
        prior_weight: expected score that one nat of log-probability is worth.
    """

    name = "lookahead"

    def __init__(self, evaluator: Evaluator, *, prior_weight: float = 0.002) -> None:
        self._evaluator = evaluator
        self._prior_weight = prior_weight

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        values = -self._evaluator.values(successors)
        outcomes = rules.outcome(successors, claim_draws=True)
        values[outcomes != Termination.NONE] = 0.0
        values[outcomes == Termination.CHECKMATE] = 1.0
        evaluation = self._evaluator.evaluate(games.positions)
        legal = torch.from_numpy(rules.legal_bits(games.positions)).to(evaluation.logits.device)
        priors = MaskedPolicy(evaluation.logits, legal).probabilities.cpu().numpy()
        games_of_moves = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        nats = np.log(np.maximum(priors[games_of_moves, moves], 1e-9))
        scores = values + self._prior_weight * nats
        scores[outcomes == Termination.CHECKMATE] = np.inf
        best = best_in_segments(scores, offsets)
        return Choice(moves[best], values[best])
