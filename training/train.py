"""`zeromass train`: settings and run folder, then the run, in an actor or in this process, and its summary."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from types import FrameType

import torch

from agent.errors import InputError
from agent.networks.meter import InvalidMassError
from training.cluster import ray_for
from training.durability.run_folder import DRIVER, RunFolder, run_locked
from training.durability.supervisor import StoppedHardError, TrainerLostError, supervise
from training.learner import LearningError, resolve_device
from training.monitoring.display import Display
from training.preflight import check_gpus
from training.run import Resume, run_training
from training.settings import load_settings


def train_command(config: str | None, overrides: list[str], resume: str | None, cluster: str | None) -> int:
    """What `zeromass train` does; the exit code: 0, or 1 where the run had to stop itself or came to nothing. An
    InputError where settings are bad or ask for GPUs that are not there, a run is unknown or has no valid checkpoint,
    or a cluster is unreachable."""
    display = Display()
    how: Resume = "no" if resume is None else "asked"
    if resume is not None and config is not None:
        raise InputError(f"--resume takes the run's own settings, so the config '{config}' cannot be used with it")
    folder = None if resume is None else RunFolder.find(resume)
    settings = load_settings(config or "cpu", overrides) if folder is None else folder.settings(overrides)
    if cluster is None:
        resolve_device(settings.learner.device)
        check_gpus(settings, torch.cuda.device_count(), "this machine")
    claim = ExitStack()
    folder = folder or RunFolder.create(settings, config, claim)
    try:
        if resume is not None:
            claim.enter_context(run_locked(folder.path, DRIVER))
        if settings.selfplay.actors == 0 or settings.replay.games is not None:
            with claim, _stop_on_signals() as stopped:
                summary = run_training(settings, folder, resume=how, display=display, stop=stopped.is_set)
        else:
            display.say(f"starting Ray and {settings.selfplay.actors} self-play actors ...")
            if cluster is not None:  # actors there work in another folder
                folder = RunFolder(folder.path.resolve())
            # After Ray, which would install its own handler of SIGTERM.
            with claim, ray_for(settings, cluster) as session, _stop_on_signals() as stopped:
                summary = supervise(settings, folder, session, resume=how, display=display, stop=stopped.is_set)
        display.summary(summary)
        return 1 if summary.missing else 0
    except (InvalidMassError, LearningError, TrainerLostError, StoppedHardError) as error:
        display.say(f"zeromass: {error}", error=True)
        return 1
    except OSError as error:
        advice = f"make room or repair it, then {folder.go_on}"
        raise InputError(f"run '{folder.path}' cannot be written ({error.strerror or error}); {advice}") from error


@contextmanager
def _stop_on_signals() -> Iterator[Event]:
    """An event that the first Ctrl-C, SIGTERM or hang-up sets; a second Ctrl-C interrupts at once."""
    stopped = Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopped.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as `nohup` sets it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
