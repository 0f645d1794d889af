"""The matches of a run, before, during and after training, and sample games: what it keeps for people to look at."""

import copy
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch

from agent.networks.registry import make_evaluator
from agent.players.network import make_player
from agent.players.player import Player
from selfplay.record import GameRecord
from training.attachment import Attachment
from training.doctor import usable_cores
from training.durability.checkpoint import Checkpoints
from training.durability.disk import DiskPatience
from training.durability.progress_relay import Screen
from training.durability.run_folder import RunFolder, append_row
from training.durability.snapshots import Every
from training.evaluation.conversion import conversions
from training.evaluation.match import MatchResult, play_match
from training.evaluation.match_runner import Hooks
from training.evaluation.openings import Openings
from training.evaluation.opponents import make_opponent
from training.loop import TrainingLoop
from training.monitoring.metrics import Metrics, match_tags

PGN_EVERY: Final = 200  # games of which one is kept as PGN
OPENING_PLIES: Final = 4  # random plies that each game begins with
CONVERSION_GAMES: Final = 10  # starts of each won ending in a match during training


class StoppedError(Exception):
    """A match was interrupted."""


class SampleGames(Attachment):
    """Keeps one game in `PGN_EVERY` as PGN."""

    def __init__(self, folder: RunFolder, disk: DiskPatience) -> None:
        self._folder, self._disk = folder, disk

    def added(self, loop: TrainingLoop, record: GameRecord) -> None:
        """See `Attachment`."""
        number = loop.counters.games - 1
        if number % PGN_EVERY == 0:
            self._disk.writing(partial(self._folder.save_game, number, record))


class Matches(Attachment):
    """Plays the match that the settings ask for. A checkpoint is written before each match on the way, so that a
    resumed run does not repeat it."""

    def __init__(self, folder: RunFolder, metrics: Metrics, checkpoints: Checkpoints, disk: DiskPatience) -> None:
        self._folder, self._metrics, self._checkpoints, self._disk = folder, metrics, checkpoints, disk
        self._every = Every(0, 0)

    def begin(self, loop: TrainingLoop) -> None:
        """Count from the time trained so far."""
        self._every = Every(loop.settings.evaluation.every_minutes, loop.counters.seconds)

    def turned(self, loop: TrainingLoop) -> None:
        """Play the match that is due; a stop interrupts it, and it is not repeated."""
        if not loop.learner.step or not self._every.due(loop.counters.seconds):
            return
        with loop.stopwatch.spending("evaluating"):
            self._checkpoints.save(loop)
            if loop.progress >= 1.0:  # the match after training follows
                return
            started, hooks, seed = time.monotonic(), _stopping(loop.stop), loop.settings.run.seed
            try:
                result = _match(loop, hooks)
                won = conversions(_player(loop), games=CONVERSION_GAMES, seed=seed, defenders=("king",), hooks=hooks)
            except StoppedError:
                return
            self._keep(loop, result, "during", {one.ending: one.share for one in won}, time.monotonic() - started)

    def play(self, loop: TrainingLoop, when: str, screen: Screen, stop: Callable[[], bool]) -> MatchResult | None:
        """Play the match `before` or `after` training and keep its result; None if the settings ask for none, a
        StoppedError after `stop` returned True."""
        settings = loop.settings.evaluation
        if settings.games == 0:
            return None
        torch.set_num_threads(usable_cores())
        title = f"{settings.games} games against {settings.opponent} {when} training"
        with screen.counting(title, settings.games) as advance:
            result = _match(loop, _stopping(stop, advance))
        self._keep(loop, result, when, {}, 0.0)
        screen.say(f"score {when} training: {result.sentence()}")
        return result

    def _keep(
        self, loop: TrainingLoop, result: MatchResult, when: str, conversion: Mapping[str, float], seconds: float
    ) -> None:
        more = {"minutes": loop.counters.seconds / 60, "seconds": seconds, "conversion": dict(conversion)}
        row = {"step": loop.learner.step, "when": when, **result.to_json(), **more}
        self._disk.writing(lambda: append_row(self._folder.matches, row))
        tags = match_tags(row) | {f"evaluation/conversion/{ending}": share for ending, share in conversion.items()}
        self._metrics.scalars(tags | ({"evaluation/seconds": seconds} if seconds else {}), loop.learner.step)
        self._disk.writing(self._metrics.flush)


def _match(loop: TrainingLoop, hooks: Hooks) -> MatchResult:
    evaluation, seed = loop.settings.evaluation, loop.settings.run.seed
    opponent, openings = make_opponent(evaluation.opponent, seed=seed + 1), Openings(seed, OPENING_PLIES)
    games, ply_cap = evaluation.games, evaluation.ply_cap
    return play_match(_player(loop), opponent, openings, games=games, ply_cap=ply_cap, hooks=hooks)


def _stopping(stop: Callable[[], bool], progress: Callable[[int], None] = lambda games: None) -> Hooks:
    """Hooks that raise `StoppedError` after the ply at which `stop` returns True."""

    def moved(*_: object) -> None:
        if stop():
            raise StoppedError

    return Hooks(progress, moved)


def _player(loop: TrainingLoop) -> Player:
    """A copy of the learner's present weights, because an evaluator puts its network into evaluation mode."""
    evaluator = make_evaluator(copy.deepcopy(loop.learner.network), loop.learner.device)
    return make_player(evaluator, loop.settings.evaluation.simulations)
