"""The match of a run's settings, before, during and after its training."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.networks.evaluators import make_evaluator
from agent.networks.registry import AnyNetwork
from agent.players.player import Choice, Player, make_player
from agent.rules import Games
from training.evaluation.conversion import conversions, shares
from training.evaluation.match import MatchResult, play_match
from training.evaluation.opponents import make_opponent
from training.learner import Learner, resolve_device
from training.settings import Settings

CONVERSION_GAMES: Final = 10
"""Starts of each won ending in a match during training."""


class StoppedError(Exception):
    """A match was interrupted."""


@dataclass(frozen=True)
class _Stoppable:
    """A player that asks before each ply whether the match is to end."""

    player: Player
    stop: Callable[[], bool]

    @property
    def name(self) -> str:
        return self.player.name

    def choose(self, games: Games) -> Choice:
        if self.stop():
            raise StoppedError
        return self.player.choose(games)


def settings_match(
    learner: Learner, settings: Settings, *, stop: Callable[[], bool], progress: Callable[[int], None] | None = None
) -> MatchResult:
    """Play `evaluation.games` games with the learner's weights as they are now; nothing of the learner changes.

    Raises:
        StoppedError: `stop` said so, which is asked before each ply of the agent.
    """
    evaluation = settings.evaluation
    return play_match(
        _player(learner.playing_network, settings, stop),
        make_opponent(evaluation.opponent, seed=settings.run.seed + 1),
        games=evaluation.games,
        seed=settings.run.seed,
        opening_plies=evaluation.opening_plies,
        ply_cap=evaluation.ply_cap,
        progress=progress,
    )


def settings_conversion(learner: Learner, settings: Settings, *, stop: Callable[[], bool]) -> dict[str, float]:
    """Share of won endings that the learner's weights mate, by ending, against a king that defends.

    Raises:
        StoppedError: as in `settings_match`.
    """
    player = _player(learner.playing_network, settings, stop)
    return shares(conversions(player, games=CONVERSION_GAMES, seed=settings.run.seed, defenders=("king",)))


def _player(network: AnyNetwork, settings: Settings, stop: Callable[[], bool]) -> Player:
    # A copy: evaluators switch their network out of training.
    evaluator = make_evaluator(copy.deepcopy(network), resolve_device(settings.learner.device))
    return _Stoppable(make_player(evaluator, settings.evaluation.simulations), stop)
