"""The match of a run's settings, before, during and after its training."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from agent.evaluators import make_evaluator
from agent.networks import AnyNetwork
from agent.player import Player, make_player
from training.conversion import conversions, shares
from training.doctor import usable_cores
from training.learner import Learner, resolve_device
from training.match import MatchResult, play_match
from training.opponents import make_opponent
from training.settings import Settings
from training.snapshots import network_to_play

CONVERSION_GAMES = 10
"""Starts of each won ending in a match during training."""


def settings_match(learner: Learner, settings: Settings, progress: Callable[[int], None] | None = None) -> MatchResult:
    """Play `evaluation.games` games with the learner's weights as they are now; nothing of the learner changes."""
    evaluation = settings.evaluation
    with _all_cores():
        return play_match(
            _player(network_to_play(learner), settings),
            make_opponent(evaluation.opponent, seed=settings.run.seed + 1),
            games=evaluation.games,
            seed=settings.run.seed,
            opening_plies=evaluation.opening_plies,
            ply_cap=evaluation.ply_cap,
            progress=progress,
        )


def settings_conversion(learner: Learner, settings: Settings) -> dict[str, float]:
    """Share of won endings that the learner's weights mate, by ending, against a king that defends."""
    with _all_cores():
        player = _player(network_to_play(learner), settings)
        found = conversions(player, games=CONVERSION_GAMES, seed=settings.run.seed, defenders=("king",))
    return shares(found)


def _player(network: AnyNetwork, settings: Settings) -> Player:
    # A copy: evaluators switch their network out of training.
    evaluator = make_evaluator(copy.deepcopy(network), resolve_device(settings.learner.device))
    return make_player(evaluator, settings.evaluation.simulations)


@contextmanager
def _all_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)
