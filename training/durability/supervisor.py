"""The driver's part of a run: start the trainer, show what it tells, hand on signals, start it again when it dies.

A trainer that ended goes on from the newest valid checkpoint after a delay. After `FRUITLESS` ends without a new
checkpoint between them the driver gives up and says why.
"""

import time
from collections.abc import Callable
from typing import Final

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from agent.errors import InputError
from agent.networks.meter import InvalidMassError
from selfplay.identity import identity
from training.durability.progress_relay import Mirror, News, Screen
from training.durability.run_folder import RunFolder
from training.durability.trainer import TrainerHandle, start_trainer
from training.learner import LearningError
from training.run import Resume, Summary
from training.settings import Settings

FRUITLESS: Final = 5
"""Ends in a row, without a new checkpoint between them, that are too many."""
RESTART_DELAY: Final = 1.0
"""Seconds before the first restart; doubled by every fruitless end."""
STOP_SECONDS: Final = 25.0
"""A trainer that was told to stop gets this long: preemptible machines give 30 s."""
PENDING_SECONDS: Final = 15.0
"""A trainer that has not started after this long lacks resources, which is worth a line."""


class TrainerLostError(RuntimeError):
    """The trainer ended without a result: it died, hung, or failed in a way that another start may mend."""


class StoppedHardError(RuntimeError):
    """The run was told to stop, and its trainer had to be killed."""


def supervise(
    settings: Settings,
    folder: RunFolder,
    *,
    resume: Resume,
    display: Screen,
    stop: Callable[[], bool],
) -> Summary:
    """Train in an actor, as the settings say. Ray must be initialised.

    Args:
        settings: of the run.
        folder: of the run; exists.
        resume: whether to go on from a checkpoint.
        display: progress for people.
        stop: asked about once a second; True ends the run in a checkpoint.

    Raises:
        InputError: the trainer refused its input.
        InvalidMassError: mass on an illegal move.
        LearningError: a loss that is not finite, time and again.
        OSError: the run folder cannot be written.
        TrainerLostError: the trainer ends time and again.
        StoppedHardError: see there.
    """
    mirror, fruitless, saved = Mirror(display), 0, -1
    while True:
        attempt = _Attempt(settings, folder, resume, mirror, stop)
        try:
            return attempt.run()
        except TrainerLostError as error:
            folder.note_fault(str(error))
            fruitless = 0 if attempt.saved_step > saved else fruitless + 1
            saved = max(saved, attempt.saved_step)
            if fruitless >= FRUITLESS:
                raise TrainerLostError(
                    f"the trainer ended {fruitless} times without a new checkpoint, last because {error}; "
                    f"see {folder.faults}, then go on with --resume {folder.path}"
                ) from error
            delay = RESTART_DELAY * 2**fruitless
            display.say(f"warning: {error}; starting another trainer from the newest checkpoint in {delay:.0f} s")
            resume = "heal"
            if _wait(delay, stop):
                raise StoppedHardError(_go_on(folder, "its trainer had just been lost")) from error


class _Attempt:
    """One trainer from its start to its end."""

    def __init__(
        self, settings: Settings, folder: RunFolder, resume: Resume, mirror: Mirror, stop: Callable[[], bool]
    ) -> None:
        self.saved_step = -1
        """Of the newest checkpoint that the trainer told of."""
        self._settings = settings
        self._folder = folder
        self._resume = resume
        self._mirror = mirror
        self._stop = stop

    def run(self) -> Summary:
        """Until the trainer ends; see `supervise` for what is raised."""
        trainer = start_trainer(self._settings, identity())
        try:
            return self._attend(trainer)
        except RayTaskError as error:
            if isinstance(error.cause, InputError | InvalidMassError | LearningError | OSError):
                raise error.cause from error
            raise TrainerLostError(f"the trainer failed ({_last_line(error)})") from error
        except RayActorError as error:
            raise TrainerLostError("the trainer died") from error
        except RayError as error:
            raise TrainerLostError(f"the trainer was lost ({_last_line(error)})") from error
        finally:
            self._mirror.close()
            ray.kill(trainer)

    def _attend(self, trainer: TrainerHandle) -> Summary:
        result = trainer.train.remote(self._settings, self._folder.path, self._resume)
        news = trainer.news.remote()
        started = time.monotonic()
        heard: float | None = None
        told: float | None = None
        asked_for_patience = False
        while True:
            ready, _ = ray.wait([result, news], num_returns=1, timeout=1.0)
            now = time.monotonic()
            if news in ready:
                heard = now
                self._show(ray.get(news))
                news = trainer.news.remote()
            if result in ready:
                summary: Summary = ray.get(result)
                self._show(ray.get(trainer.news.remote(0.0)))
                return summary
            if told is None and self._stop():
                trainer.stop.remote()
                told = now
            if told is not None and (heard is None or now - told > STOP_SECONDS):
                raise StoppedHardError(_go_on(self._folder, "its trainer did not end by itself"))
            if heard is not None and now - heard > self._settings.run.heartbeat_seconds:
                raise TrainerLostError(f"the trainer has not answered for {now - heard:.0f} s")
            if heard is None and not asked_for_patience and now - started > PENDING_SECONDS:
                asked_for_patience = True
                learner = self._settings.learner
                self._mirror.say(f"waiting for a node with {learner.threads} free cores and {learner.gpus} GPUs ...")

    def _show(self, news: News) -> None:
        if news.progress is not None:
            self.saved_step = news.progress.saved_step
        self._mirror.show(news)


def _wait(seconds: float, stop: Callable[[], bool]) -> bool:
    """Wait, unless `stop` says so; what it said."""
    until = time.monotonic() + seconds
    while not stop() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
    return stop()


def _go_on(folder: RunFolder, why: str) -> str:
    return f"the run was stopped, but {why}; what is saved counts, go on with --resume {folder.path}"


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
