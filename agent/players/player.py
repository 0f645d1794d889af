"""Players: given games in progress, each chooses one move in every game, in one batch."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.rules import Games, Termination
from agent.search import GumbelSearch, SearchSettings, playing


class Choice(NamedTuple):
    """One move in each of B games."""

    moves: NDArray[np.uint16]
    """[B] vocabulary indices, all legal."""
    values: NDArray[np.float32]
    """[B] expected score -1..1 of the move for the player; NaN where the player has no opinion."""
    lines: NDArray[np.uint16] | None = None
    """[B, 32] the moves it expects, each seen from its mover's side, 65535 past them; None: it expects none."""


class Player(Protocol):
    """Anything that chooses moves. All games given must be unfinished."""

    @property
    def name(self) -> str:
        """For tables and PGN."""
        ...

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        ...


class RandomPlayer:
    """Every legal move is as likely as any other."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        indices, counts = rules.legal_moves(games.positions)
        picks = self._generator.integers(counts)
        return Choice(indices[np.arange(len(picks)), picks], np.full(len(picks), np.nan, np.float32))


class GreedyPlayer:
    """Mates if it can, else takes the most material it can (promotion counts), else moves at random."""

    name = "greedy"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        # A successor is seen by the opponent: what is worst for it is best for us.
        gains = -rules.material(successors).astype(np.float64)
        gains[rules.outcome(successors, claim_draws=False) == Termination.CHECKMATE] = np.inf
        gains += self._generator.random(len(gains)) * 0.5
        return Choice(moves[best_in_segments(gains, offsets)], np.full(len(offsets) - 1, np.nan, np.float32))


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
            moves = MaskedPolicy(evaluation.logits, legal, temperature=self._temperature).sample_keyed(
                self._seed, rows
            )[0]
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


class SearchPlayer:
    """Plays what Gumbel search finds best, without noise.

    Args:
        evaluator: the network.
        settings: of the search; `gumbel_scale` 0 plays the best move, above 0 varies.
        seed: of the noise, if there is any.
    """

    def __init__(self, evaluator: Evaluator, settings: SearchSettings, *, seed: int = 0) -> None:
        self._search = GumbelSearch(settings, evaluator.for_search())
        self._seed = seed

    @property
    def name(self) -> str:
        """For tables and PGN."""
        return f"search:{self._search.settings.simulations}"

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        result = self._search.run(games, np.arange(len(games)), self._seed)
        return Choice(result.moves, result.values, result.lines)


def make_player(evaluator: Evaluator, simulations: int) -> Player:
    """The agent at its best: search without noise, or for 0 simulations a look one ply ahead."""
    if simulations == 0:
        return LookaheadPlayer(evaluator)
    return SearchPlayer(evaluator, playing(simulations))


def best_in_segments(scores: NDArray[np.floating], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [B]: position of the largest score in each segment offsets[i]:offsets[i + 1], none of them empty."""
    order = np.lexsort((scores, np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))))
    best: NDArray[np.int64] = order[offsets[1:] - 1]
    return best
