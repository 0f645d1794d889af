"""A run put together: the training loop and its attachments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from agent.errors import InputError
from agent.networks.network import Network
from training.attachment import Attachment
from training.durability.checkpoint import Checkpoint, Checkpoints, understood
from training.durability.disk import DiskPatience
from training.durability.progress_relay import Progress
from training.durability.run_folder import RunFolder
from training.durability.snapshots import Snapshots
from training.durability.watchdog import LearningWatchdog
from training.durability.window import Acknowledgement, Window
from training.learner import Learner
from training.loop import TrainingLoop
from training.matches import Matches, SampleGames
from training.monitoring.guard import Guard
from training.monitoring.metrics import Metrics
from training.monitoring.watch import LoopFigures, Watch
from training.replay import ENTRIES_PER_PLY, ReplayBuffer
from training.settings import Settings


class Ticks(Attachment):
    """Shows the progress at every turn of the loop."""

    def __init__(self, tick: Callable[[Progress], None], checkpoints: Checkpoints, watch: Watch) -> None:
        self._tick, self._checkpoints, self._watch = tick, checkpoints, watch

    def turned(self, loop: TrainingLoop) -> None:
        """See `Attachment`."""
        self._tick(Progress.of(loop, self._checkpoints.saved_step, self._watch.recent))


@dataclass(frozen=True)
class Run:
    """The parts of a run that its owner uses."""

    loop: TrainingLoop
    folder: RunFolder
    guard: Guard
    watch: Watch
    checkpoints: Checkpoints
    matches: Matches
    watchdog: LearningWatchdog
    disk: DiskPatience
    metrics: Metrics

    def close(self) -> None:
        """Write the last events."""
        self.disk.writing(self.metrics.flush)


def assemble(
    settings: Settings,
    folder: RunFolder,
    network: Network,
    checkpoint: Checkpoint | None = None,
    *,
    say: Callable[[str], None] = lambda line: None,
    tick: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """A run, ready to begin or to go on from `checkpoint`, whose weights are those of `network`. `network` is trained
    in place; `tick` gets the progress, often. An InputError where the checkpoint is of an earlier version."""
    state = {} if checkpoint is None else checkpoint.state
    if checkpoint is not None and "attachments" not in state:
        raise InputError(f"checkpoint '{checkpoint.path}' is of an earlier version of ZeroMass; start a new run")
    step = -1
    learner = Learner(network, settings.learner, searched=settings.selfplay.simulations > 0)
    window = Window(make_replay(settings), folder.replay)
    disk = DiskPatience(folder.path, say)
    if checkpoint is not None:
        with understood(checkpoint):
            step = int(state["step"])
            learner.restore(checkpoint.optimizer)
            if settings.selfplay.actors == 0:  # games that the checkpoint does not know are played again, as they were
                disk.writing(partial(window.store.cut, int(state["replay"]["number"])))
    guard = Guard(settings.guard, say)
    metrics = disk.writing(lambda: Metrics(folder, None if checkpoint is None else step))
    watch = Watch(settings, metrics, guard.games, disk, say)
    watchdog = LearningWatchdog(folder.checkpoints, folder.evidence, say)
    checkpoints = Checkpoints(folder.path, disk, lambda: disk.writing(metrics.flush), step)
    matches = Matches(folder, metrics, checkpoints, disk)
    attachments = [
        disk,
        SampleGames(folder, disk),
        LoopFigures(),
        guard,  # judges the figures of the loop
        watchdog,
        watch,  # writes the row that all above have added to
        Acknowledgement(disk),
        Snapshots(folder.path, settings.run.snapshot_minutes, checkpoints, disk),
        checkpoints,  # after the snapshots, see there
        matches,
        Ticks(tick, checkpoints, watch),
    ]
    loop = TrainingLoop(settings, learner, window, attachments)
    if checkpoint is not None:
        with understood(checkpoint):
            loop.restore(state, say)
    if settings.replay.games is not None:
        loop.learn_from([RunFolder.find(run).replay for run in settings.replay.games.split(",")], say)
    return Run(loop, folder, guard, watch, checkpoints, matches, watchdog, disk, metrics)


def make_replay(settings: Settings) -> ReplayBuffer:
    """An empty replay buffer as the settings ask for."""
    return ReplayBuffer(settings.replay.capacity, entries_per_ply=ENTRIES_PER_PLY if settings.selfplay.search else 0)
