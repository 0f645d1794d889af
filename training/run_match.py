"""The match of a run's settings, before, during and after its training."""

import copy
from collections.abc import Callable
from typing import Final

from agent.evaluators import make_evaluator
from agent.networks import AnyNetwork
from agent.player import Player, make_player
from training.conversion import conversions, shares
from training.learner import Learner, resolve_device
from training.match import MatchResult, play_match
from training.opponents import make_opponent
from training.settings import Settings

CONVERSION_GAMES: Final = 10
"""Starts of each won ending in a match during training."""


def settings_match(learner: Learner, settings: Settings, progress: Callable[[int], None] | None = None) -> MatchResult:
    """Play `evaluation.games` games with the learner's weights as they are now; nothing of the learner changes."""
    evaluation = settings.evaluation
    return play_match(
        _player(learner.playing_network, settings),
        make_opponent(evaluation.opponent, seed=settings.run.seed + 1),
        games=evaluation.games,
        seed=settings.run.seed,
        opening_plies=evaluation.opening_plies,
        ply_cap=evaluation.ply_cap,
        progress=progress,
    )


def settings_conversion(learner: Learner, settings: Settings) -> dict[str, float]:
    """Share of won endings that the learner's weights mate, by ending, against a king that defends."""
    player = _player(learner.playing_network, settings)
    return shares(conversions(player, games=CONVERSION_GAMES, seed=settings.run.seed, defenders=("king",)))


def _player(network: AnyNetwork, settings: Settings) -> Player:
    # A copy: evaluators switch their network out of training.
    evaluator = make_evaluator(copy.deepcopy(network), resolve_device(settings.learner.device))
    return make_player(evaluator, settings.evaluation.simulations)
