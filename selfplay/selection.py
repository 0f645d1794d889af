"""How self-play selects moves: samples from the masked policy, Gumbel search, or principal-variation search. Shapes: G
games, M entries of improved policies in all."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.errors import InputError
from agent.networks.contract import CompiledEvaluator
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.rules import Games
from agent.search import GumbelSearch
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions
from selfplay.record import RaggedPolicy
from selfplay.settings import SelfplaySettings

EXPLORED: Final = 0.05  # share of moves drawn from all legal ones where principal-variation search chooses the others
_LEAST: Final = np.float32(2.0**-126)  # smallest normal float32: the least probability whose logarithm is recorded


class SelectedMoves(NamedTuple):
    """One move in each of G games, with what the learner needs of it."""

    moves: NDArray[np.uint16]  # [G] vocabulary indices
    log_probs: NDArray[np.float32]  # [G] of the moves under the distribution that they come from
    values: NDArray[np.float32]  # [G] expected score -1..1 of the position for the side to move
    probabilities: torch.Tensor  # float32 [G, 1880] that distribution: what the meter checks
    entropies: NDArray[np.float32]  # [G] of that distribution, in nats
    policies: RaggedPolicy  # of the G games; empty without search


Selector = Callable[[Games, NDArray[np.int64]], SelectedMoves]
"""Selects a move in every game; its keys [G] are one number for each (game, ply). Noise depends on (seed, key) alone,
whatever else is in the batch."""


def make_selector(evaluator: Evaluator, settings: SelfplaySettings, seed: int) -> Selector:
    """What the settings ask for; `seed` is that of samples and root noise. An InputError where they ask for
    principal-variation search of a network that has no compiled form."""
    if settings.search is None:
        return partial(_sampled, evaluator, settings.temperature, seed)
    network = evaluator.for_search()
    if settings.method == "gumbel":
        return partial(_searched, GumbelSearch(settings.search, network), seed)
    if not isinstance(network, CompiledEvaluator):
        raise InputError("setting selfplay.method=pvs needs a network with a compiled form, network.kind=sparse")
    return partial(_by_pvs, PrincipalVariationSearch(network, 1), settings.simulations, evaluator, seed)


def _sampled(
    evaluator: Evaluator, temperature: float, seed: int, games: Games, keys: NDArray[np.int64]
) -> SelectedMoves:
    evaluation = evaluator.evaluate(games.positions)
    legal = torch.from_numpy(rules.legal_bits(games.positions)).to(evaluation.logits.device)
    policy = MaskedPolicy(evaluation.logits, legal, temperature=temperature)
    moves, log_probs, entropies = policy.sample(seed, torch.from_numpy(keys).to(legal.device))
    chosen = moves.cpu().numpy().astype(np.uint16), log_probs.cpu().numpy(), evaluation.values.cpu().numpy()
    return SelectedMoves(*chosen, policy.probabilities, entropies.cpu().numpy(), RaggedPolicy.empty(len(games)))


def _searched(search: GumbelSearch, seed: int, games: Games, keys: NDArray[np.int64]) -> SelectedMoves:
    result = search.run(games, keys, seed)
    dense, improved = result.dense(), result.probabilities
    entropies = -np.add.reduceat(improved * np.log(np.maximum(improved, _LEAST)), result.offsets[:-1])
    # A move that search preferred by its noise alone may have next to no weight in the improved policy.
    log_probs = np.log(np.maximum(dense[np.arange(len(games)), result.moves], _LEAST))
    policies = RaggedPolicy(result.offsets, result.indices, improved.astype(np.float16))
    return SelectedMoves(result.moves, log_probs, result.values, torch.from_numpy(dense), entropies, policies)


def _by_pvs(
    search: PrincipalVariationSearch, nodes: int, evaluator: Evaluator, seed: int, games: Games, keys: NDArray[np.int64]
) -> SelectedMoves:
    """Values are the search's, policies the network's own: who learns from such games keeps the policy it has."""
    listed, counts = rules.legal_moves(games.positions)
    values, legal = np.empty(len(games), np.float32), torch.from_numpy(rules.pack_moves(listed, counts))
    prior = MaskedPolicy(evaluator.evaluate(games.positions).logits, legal).probabilities
    rows, indices = np.repeat(np.arange(len(games)), counts), listed[np.arange(listed.shape[1]) < counts[:, None]]
    mixed = np.zeros(prior.shape, np.float32)
    mixed[rows, indices] = EXPLORED / counts[rows]
    for row in range(len(games)):
        search.resize(1)  # emptied, so that a game does not depend on the games beside it
        search.begin(games.take([row]), RootOptions())
        search.run(nodes)
        best = search.look(1)[0]
        mixed[row, best.move] += 1 - EXPLORED
        values[row] = best.value
    policy = MaskedPolicy(torch.from_numpy(np.log(np.maximum(mixed, _LEAST))), legal)
    moves, log_probs, entropies = (found.numpy() for found in policy.sample(seed, torch.from_numpy(keys)))
    offsets, kept = np.append(0, counts.cumsum(dtype=np.int64)), prior.numpy()[rows, indices]
    policies = RaggedPolicy(offsets, indices, kept.astype(np.float16))
    return SelectedMoves(moves.astype(np.uint16), log_probs, values, policy.probabilities, entropies, policies)
