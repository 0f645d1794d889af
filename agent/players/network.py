"""Players without a search tree: the policy alone, and the value one ply ahead."""

import numpy as np
import torch

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.players.player import Choice, best_in_segments
from agent.rules import Games, Termination


class PolicyPlayer:
    """Plays straight from the masked policy, without looking ahead.

    Args:
        evaluator: the network.
        temperature: 0 plays the most probable move, above 0 samples.
        seed: of the samples.
    """

    name = "policy"

    def __init__(self, evaluator: Evaluator, *, temperature: float = 0.0, seed: int = 0) -> None:
        self._evaluator = evaluator
        self._temperature = temperature
        self._seed = seed

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        evaluation = self._evaluator.evaluate(games.positions)
        legal = torch.from_numpy(rules.legal_bits(games.positions)).to(evaluation.logits.device)
        if self._temperature == 0.0:
            moves = MaskedPolicy(evaluation.logits, legal).mode
        else:
            self._seed += 1
            rows = torch.arange(len(legal), device=legal.device)
            moves = MaskedPolicy(evaluation.logits, legal, temperature=self._temperature).sample(self._seed, rows)[0]
        return Choice(moves.cpu().numpy().astype(np.uint16), evaluation.values.cpu().numpy())


class LookaheadPlayer:
    """Looks one ply ahead: plays the move whose successor the value head likes least for the opponent.

    Mates and draws by rule are exact; the policy's log-probability breaks near-ties.

    Args:
        evaluator: the network.
        claim_draws: whether threefold repetition and 50 moves count as draws.
        prior_weight: expected score that one nat of log-probability is worth.
    """

    name = "lookahead"

    def __init__(self, evaluator: Evaluator, *, claim_draws: bool = True, prior_weight: float = 0.002) -> None:
        self._evaluator = evaluator
        self._claim_draws = claim_draws
        self._prior_weight = prior_weight

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        values = -self._evaluator.values(successors)
        outcomes = rules.outcome(successors, claim_draws=self._claim_draws)
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
