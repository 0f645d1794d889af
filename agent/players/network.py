"""Players with a network: the policy alone, the value one ply ahead, and search."""

import numpy as np
import torch

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.players.player import Choice, Player, best_in_segments
from agent.rules import Games, Termination
from agent.search import GumbelSearch, SearchSettings, playing


class PolicyPlayer:
    """Plays the most probable move of the masked policy."""

    name = "policy"

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        policy, values = _evaluate(self._evaluator, games)
        return Choice(policy.mode.cpu().numpy().astype(np.uint16), values.cpu().numpy())


class LookaheadPlayer:
    """Looks one ply ahead: plays the move whose successor the value head likes least for the opponent. Mates and draws
    by rule are exact; the policy's log-probability breaks near-ties. `prior_weight` is the expected score that one nat
    of log-probability is worth."""

    name = "lookahead"

    def __init__(self, evaluator: Evaluator, *, prior_weight: float = 0.002) -> None:
        self._evaluator, self._prior_weight = evaluator, prior_weight

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        values = -self._evaluator.values(successors)
        outcomes = rules.outcome(successors, claim_draws=True)
        values[outcomes != Termination.NONE] = 0.0
        values[outcomes == Termination.CHECKMATE] = 1.0
        priors = _evaluate(self._evaluator, games)[0].probabilities.cpu().numpy()
        games_of_moves = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        nats = np.log(np.maximum(priors[games_of_moves, moves], 1e-9))
        scores = values + self._prior_weight * nats
        scores[outcomes == Termination.CHECKMATE] = np.inf
        best = best_in_segments(scores, offsets)
        return Choice(moves[best], values[best])


class SearchPlayer:
    """Plays the best move of Gumbel search; with a `gumbel_scale` above 0 it varies with the `seed`."""

    def __init__(self, evaluator: Evaluator, settings: SearchSettings, *, seed: int = 0) -> None:
        self.name = f"search:{settings.simulations}"
        self._search, self._seed = GumbelSearch(settings, evaluator.for_search()), seed

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        result = self._search.run(games, np.arange(len(games)), self._seed)
        return Choice(result.moves, result.values)


def make_player(evaluator: Evaluator, simulations: int) -> Player:
    """The agent at its best: search without noise, or for 0 simulations a look one ply ahead."""
    if simulations == 0:
        return LookaheadPlayer(evaluator)
    return SearchPlayer(evaluator, playing(simulations))


def _evaluate(evaluator: Evaluator, games: Games) -> tuple[MaskedPolicy, torch.Tensor]:
    """The policy over the legal moves, and values float32 [B]."""
    evaluation = evaluator.evaluate(games.positions)
    legal = torch.from_numpy(rules.legal_bits(games.positions)).to(evaluation.logits.device)
    return MaskedPolicy(evaluation.logits, legal), evaluation.values
