"""How self-play selects moves: samples from the masked policy, or Gumbel search. Shapes: G games, M entries of improved
policies in all."""

from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings
from selfplay.record import RaggedPolicy
from selfplay.settings import SelfplaySettings

_LEAST: Final = np.float32(2.0**-126)  # smallest normal float32: the least probability whose logarithm is recorded


class SelectedMoves(NamedTuple):
    """One move in each of G games, with what the learner needs of it."""

    moves: NDArray[np.uint16]  # [G] vocabulary indices
    log_probs: NDArray[np.float32]  # [G] of the moves under the distribution that they come from
    values: NDArray[np.float32]  # [G] expected score -1..1 of the position for the side to move
    probabilities: torch.Tensor  # float32 [G, 1880] that distribution: what the meter checks
    entropies: NDArray[np.float32]  # [G] of that distribution, in nats
    policies: RaggedPolicy  # of the G games; empty without search


class MoveSelector(Protocol):
    """Selects moves; noise depends on (seed, key) alone, whatever else is in the batch."""

    def select(self, games: Games, keys: NDArray[np.int64]) -> SelectedMoves:
        """A move in every game; `keys` [G] is one number for each (game, ply)."""
        ...


def make_selector(evaluator: Evaluator, settings: SelfplaySettings, seed: int) -> MoveSelector:
    """The selector that the settings ask for."""
    if settings.search is None:
        return PolicySelector(evaluator, temperature=settings.temperature, seed=seed)
    return SearchSelector(evaluator, settings.search, seed=seed)


class PolicySelector:
    """Samples from the masked policy."""

    def __init__(self, evaluator: Evaluator, *, temperature: float, seed: int) -> None:
        self._evaluator, self._temperature, self._seed = evaluator, temperature, seed

    def select(self, games: Games, keys: NDArray[np.int64]) -> SelectedMoves:
        """See `MoveSelector`."""
        evaluation = self._evaluator.evaluate(games.positions)
        legal = torch.from_numpy(rules.legal_bits(games.positions)).to(evaluation.logits.device)
        policy = MaskedPolicy(evaluation.logits, legal, temperature=self._temperature)
        moves, log_probs, entropies = policy.sample(self._seed, torch.from_numpy(keys).to(legal.device))
        chosen = moves.cpu().numpy().astype(np.uint16), log_probs.cpu().numpy(), evaluation.values.cpu().numpy()
        unsearched = RaggedPolicy.empty(len(games))
        return SelectedMoves(*chosen, policy.probabilities, entropies.cpu().numpy(), unsearched)


class SearchSelector:
    """Plays the moves that Gumbel search chooses; `seed` is that of the root noise."""

    def __init__(self, evaluator: Evaluator, settings: SearchSettings, *, seed: int) -> None:
        self._search = GumbelSearch(settings, evaluator.for_search())
        self._seed = seed

    def select(self, games: Games, keys: NDArray[np.int64]) -> SelectedMoves:
        """See `MoveSelector`."""
        result = self._search.run(games, keys, self._seed)
        dense, improved = result.dense(), result.probabilities
        entropies = -np.add.reduceat(improved * np.log(np.maximum(improved, _LEAST)), result.offsets[:-1])
        # A move that search preferred by its noise alone may have next to no weight in the improved policy.
        log_probs = np.log(np.maximum(dense[np.arange(len(games)), result.moves], _LEAST))
        policies = RaggedPolicy(result.offsets, result.indices, improved.astype(np.float16))
        return SelectedMoves(result.moves, log_probs, result.values, torch.from_numpy(dense), entropies, policies)
