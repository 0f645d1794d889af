"""A run in an actor, and the driver that starts it, shows its progress, passes signals on and restarts it when it dies.

The trainer is a Ray actor, so that the driver holds neither games nor weights. One of its threads trains, others
answer the driver's calls of `updates` and `stop`.

A new trainer resumes from the newest valid checkpoint after a delay. Ray that was started here and was lost is started
again first. After `FRUITLESS` restarts without a new checkpoint between them the driver gives up and says why.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agent.errors import InputError
from agent.networks.meter import InvalidMassError
from selfplay.identity import check_identity, identity
from training.cluster import RaySession
from training.durability.progress_relay import Line, Progress, Relay, Screen, show
from training.durability.run_folder import RunFolder
from training.learner import LearningError
from training.run import Resume, Summary, run_training
from training.settings import Settings

Stop = Callable[[], bool]
FRUITLESS: Final = 5  # trainers lost in a row without a new checkpoint after which the driver gives up
RESTART_DELAY: Final = 1.0  # seconds before the first restart; doubled by every fruitless one
STOP_SECONDS: Final = 25.0  # time that a trainer gets to stop: preemptible machines give 30 s
PENDING_SECONDS: Final = 15.0  # a trainer that has not started after this long lacks resources, which is worth a line
RAY_SECONDS: Final = 2.0  # after the death of a trainer until it is known whether its raylet has died too
UPDATE_SECONDS: Final = 1.0  # longest wait for events; progress shown by the driver is at most this old


class TrainerLostError(RuntimeError):
    """The trainer ended without a result: it died, hung, or failed in a way that a restart may fix."""


class StoppedHardError(RuntimeError):
    """The run was told to stop, and its trainer had to be killed."""


class Trainer:
    """Trains one run, once; `expected` is the identity of the driver."""

    def __init__(self, expected: str) -> None:
        self._expected, self._relay, self._stopped = expected, Relay(), threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self.stop())  # systemd sends it to every process; Ray's handler exits

    def train(self, settings: Settings, folder: Path, resume: Resume) -> Summary:
        """See `training.run.run_training`."""
        check_identity(self._expected, f"the trainer on {socket.gethostname()}")
        return run_training(settings, RunFolder(folder), resume=resume, display=self._relay, stop=self._stopped.is_set)

    def updates(self, seconds: float = UPDATE_SECONDS) -> list[Line | Progress | None]:
        """See `Relay.updates`."""
        return self._relay.updates(seconds)

    def stop(self) -> None:
        """End the run in a checkpoint."""
        self._stopped.set()


def start_trainer(settings: Settings) -> Any:
    """Start the actor on the node that the settings ask for. Ray must be initialised."""
    learner = settings.learner
    options: dict[str, Any] = {"num_cpus": learner.threads, "num_gpus": learner.gpus}
    options |= {"resources": dict(learner.resources), "max_concurrency": 8}
    options["max_restarts"] = 0  # the driver starts another one, from a checkpoint
    if learner.node == "driver":
        here = ray.get_runtime_context().get_node_id()
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
    return cast(Any, ray.remote)(**options)(Trainer).remote(identity())


def supervise(
    settings: Settings, folder: RunFolder, session: RaySession, *, resume: Resume, display: Screen, stop: Stop
) -> Summary:
    """Train in an actor. `stop` is asked about once a second; True ends the run in a checkpoint. Raises as
    `run_training`, and an OSError where the run folder cannot be written, a TrainerLostError where a joined cluster was
    lost, or the trainer `FRUITLESS` times without a new checkpoint, a StoppedHardError where it had to be killed after
    a stop."""
    fruitless, saved = 0, -1
    while True:
        attempt = _Attempt(settings, folder, session, display, stop)
        try:
            return attempt.run(resume)
        except TrainerLostError as error:
            _wait(RAY_SECONDS, lambda: stop() or session.lost() is not None)
            lost = session.lost()
            reason = lost or str(error)
            folder.note_fault(reason)
            if lost and session.cluster is not None:
                raise TrainerLostError(f"{lost}; start it again (docs/cluster.md), then {folder.go_on}") from error
            fruitless = 0 if attempt.saved_step > saved else fruitless + 1
            saved = max(saved, attempt.saved_step)
            if fruitless >= FRUITLESS:
                fault = f"the trainer ended {fruitless} times without a new checkpoint, last because {reason}"
                raise TrainerLostError(f"{fault}; see {folder.faults}, then {folder.go_on}") from error
            delay = RESTART_DELAY * 2**fruitless
            what = "Ray again and another" if lost else "another"
            display.say(f"warning: {reason}; starting {what} trainer from the newest checkpoint in {delay:.0f} s")
            resume = "heal"
            if lost and not stop():
                session.restart()
            if _wait(delay, stop):
                raise StoppedHardError(_go_on(folder, "its trainer had just been lost")) from error


class _Attempt:
    """One trainer from its start to its end."""

    def __init__(self, settings: Settings, folder: RunFolder, session: RaySession, display: Screen, stop: Stop) -> None:
        self.saved_step = -1  # of the newest checkpoint that the trainer reported
        self._settings, self._folder, self._session = settings, folder, session
        self._display, self._stop = display, stop

    def run(self, resume: Resume) -> Summary:
        """Until the trainer ends; raises as `supervise` does."""
        trainer = start_trainer(self._settings)
        try:
            return self._attend(trainer, resume)
        except RayTaskError as error:
            if isinstance(error.cause, InputError | InvalidMassError | LearningError | OSError):
                raise error.cause from error
            raise TrainerLostError(f"the trainer failed ({_last_line(error)})") from error
        except RayActorError as error:
            raise TrainerLostError("the trainer died") from error
        except RayError as error:
            raise TrainerLostError(f"the trainer was lost ({_last_line(error)})") from error
        finally:
            self._display.tick(None)
            ray.kill(trainer)

    def _attend(self, trainer: Any, resume: Resume) -> Summary:
        result = trainer.train.remote(self._settings, self._folder.path, resume)
        updates = trainer.updates.remote()
        started, said_pending = time.monotonic(), False
        answered: float | None = None
        stopped: float | None = None
        while True:
            ready, _ = ray.wait([result, updates], num_returns=1, timeout=1.0)
            now = time.monotonic()
            if updates in ready:
                answered = now
                self._show(ray.get(updates))
                updates = trainer.updates.remote()
            if result in ready:
                summary: Summary = ray.get(result)
                self._show(ray.get(trainer.updates.remote(0.0)))
                if summary.stopped and not self._stop():  # its node goes; another one may take over
                    raise TrainerLostError("the trainer was told to end")
                return summary
            if stopped is None and self._stop():
                trainer.stop.remote()
                stopped = now
            if stopped is not None and (answered is None or now - stopped > STOP_SECONDS):
                raise StoppedHardError(_go_on(self._folder, "its trainer did not end by itself"))
            if stopped is None and (
                lost := self._session.lost(answered is not None and now - answered < 2 * UPDATE_SECONDS)
            ):
                raise TrainerLostError(lost)
            if answered is not None and now - answered > self._settings.run.heartbeat_seconds:
                raise TrainerLostError(f"the trainer has not answered for {now - answered:.0f} s")
            if answered is None and not said_pending and now - started > PENDING_SECONDS:
                said_pending = True
                learner = self._settings.learner
                self._display.say(f"waiting for a node with {learner.threads} free cores and {learner.gpus} GPUs ...")

    def _show(self, updates: list[Line | Progress | None]) -> None:
        steps = [update.saved_step for update in updates if isinstance(update, Progress)]
        self.saved_step = max([self.saved_step, *steps])
        show(updates, self._display)


def _wait(seconds: float, stop: Stop) -> bool:
    """Wait, unless `stop` returns True; what it returned."""
    until = time.monotonic() + seconds
    while not stop() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
    return stop()


def _go_on(folder: RunFolder, why: str) -> str:
    return f"the run was stopped, but {why}; nothing saved is lost, {folder.go_on}"


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
