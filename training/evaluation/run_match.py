"""The match that a run's settings ask for, before, during and after training."""

import copy
from collections.abc import Callable
from typing import Final

from agent.networks.registry import make_evaluator
from agent.players.network import make_player
from agent.players.player import Player
from training.evaluation.conversion import conversions, shares
from training.evaluation.match import MatchResult, play_match
from training.evaluation.match_runner import Hooks
from training.evaluation.openings import Openings
from training.evaluation.opponents import make_opponent
from training.learner import Learner, resolve_device
from training.settings import Settings

OPENING_PLIES: Final = 4
"""Random plies that each game begins with."""
CONVERSION_GAMES: Final = 10
"""Starts of each won ending in a match during training."""


class StoppedError(Exception):
    """A match was interrupted."""


def settings_match(
    learner: Learner,
    settings: Settings,
    *,
    stop: Callable[[], bool],
    progress: Callable[[int], None] = lambda games: None,
) -> MatchResult:
    """Play `evaluation.games` games with a copy of the learner's present weights.

    Raises:
        StoppedError: `stop` returned True; it is called after each ply.
    """
    evaluation = settings.evaluation
    return play_match(
        _player(learner, settings),
        make_opponent(evaluation.opponent, seed=settings.run.seed + 1),
        Openings(settings.run.seed, OPENING_PLIES),
        games=evaluation.games,
        ply_cap=evaluation.ply_cap,
        hooks=_stopping(stop, progress),
    )


def settings_conversion(learner: Learner, settings: Settings, *, stop: Callable[[], bool]) -> dict[str, float]:
    """Share of won endings that the learner's weights convert against the defending king, by ending.

    Raises:
        StoppedError: as in `settings_match`.
    """
    hooks = _stopping(stop, lambda games: None)
    player, seed = _player(learner, settings), settings.run.seed
    return shares(conversions(player, games=CONVERSION_GAMES, seed=seed, defenders=("king",), hooks=hooks))


def _stopping(stop: Callable[[], bool], progress: Callable[[int], None]) -> Hooks:
    def moved(*_: object) -> None:
        if stop():
            raise StoppedError

    return Hooks(progress, moved)


def _player(learner: Learner, settings: Settings) -> Player:
    # A copy, because an evaluator puts its network into evaluation mode.
    evaluator = make_evaluator(copy.deepcopy(learner.network), resolve_device(settings.learner.device))
    return make_player(evaluator, settings.evaluation.simulations)
