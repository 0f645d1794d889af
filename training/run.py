"""One run in one process: a match before, training, a match after, and what it came to."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

import kernels
from agent.compilation import warm_up
from agent.errors import InputError
from agent.files import write_atomic
from agent.networks.network import Network
from agent.networks.registry import make_network
from agent.networks.residual.evaluator import check_runtime
from agent.networks.weights import load_weights
from selfplay.pool import LocalPool, Pool, RayPool
from training.assembly import assemble
from training.durability.checkpoint import WEIGHTS, Checkpoint, list_checkpoints, newest_checkpoint, understood
from training.durability.progress_relay import TRAINING, Progress, Screen
from training.durability.run_folder import RunFolder, run_locked
from training.evaluation.match import MatchResult
from training.loop import TrainingLoop
from training.matches import StoppedError
from training.monitoring.metrics import match_tags
from training.preflight import kernels_note
from training.settings import Settings


@dataclass(frozen=True)
class Summary:
    """What a run came to."""

    folder: Path
    games: int
    positions: int
    steps: int
    seconds: float
    distributions: int
    largest_invalid_mass: float
    before: MatchResult | None
    after: MatchResult | None
    stopped: bool  # ended by Ctrl-C or SIGTERM rather than by its settings
    missing: str  # what the run came to its end without, such as `a finished game`; empty: nothing
    selfplay_kernels: dict[str, int]
    """How often the actors ran each kernel on each backend since the last start, such as `masked_sample.numba`."""
    learner_kernels: dict[str, int]  # the same for the learner
    alarms: list[str]  # of the guard that were on at the end
    guard: list[dict[str, Any]]  # what the guard said since the start of the run: `step`, `text`
    writing_seconds: float  # spent on rows, pictures and text since the last start
    writing_share: float  # that, of the time spent training since then


Resume = Literal["no", "asked", "heal"]
"""How a run begins: new; from its newest checkpoint, if it has any, as the user asked or after a fault."""


def run_training(
    settings: Settings, folder: RunFolder, *, resume: Resume, display: Screen, stop: Callable[[], bool]
) -> Summary:
    """Train as the settings say, in this process; game actors need an initialised Ray. `stop` is called often; True
    ends the run in a checkpoint. An InputError where there is no valid checkpoint, or it does not fit the settings, or
    another process trains this run; an InvalidMassError for mass on an illegal move; a LearningError for a loss that is
    not finite."""
    with run_locked(folder.path):
        return _train(settings, folder, resume, display, stop)


def _train(settings: Settings, folder: RunFolder, resume: Resume, display: Screen, stop: Callable[[], bool]) -> Summary:
    checkpoint = _checkpoint(folder, resume, display)
    warm_up(display.say)
    torch.manual_seed(settings.run.seed)
    network = _network(settings, checkpoint)
    run = assemble(settings, folder, network, checkpoint, say=display.say, tick=display.tick)
    loop = run.loop
    if note := kernels_note(loop.learner.device):
        display.say(note)
    if resume == "asked" and loop.progress >= 1.0 and folder.has_finished(loop.learner.step):
        run.close()
        trained = f"run.minutes={settings.run.minutes}, run.steps={settings.run.steps}"
        raise InputError(f"run '{folder.path}' has already trained for its {trained}; give a larger one to go on")
    after, learner_kernels = None, {}
    try:
        if checkpoint is None and (kept := folder.match("before")) is not None:
            run.metrics.scalars(match_tags(kept.to_json()), 0)  # TensorBoard drops what was there of a run begun anew
        elif checkpoint is None:
            run.matches.play(loop, "before", display, stop)
        torch.set_num_threads(settings.learner.threads)
        if loop.progress < 1.0 and not stop():
            with closing(_pool(settings, loop.counters.streams, checkpoint)) as pool:
                display.tick(Progress(TRAINING, loop.progress, "first games ..."))
                kernels.reset_launches()
                loop.run(pool, stop=stop)
                learner_kernels = kernels.launches()
        if not stop():
            after = folder.match("after", loop.learner.step) or run.matches.play(loop, "after", display, stop)
    except StoppedError:
        run.checkpoints.save(loop)
    finally:
        display.tick(None)
        run.close()
    mass = loop.counters.mass
    summary = Summary(
        folder=folder.path,
        games=loop.counters.games,
        positions=loop.counters.positions,
        steps=loop.learner.step,
        seconds=loop.counters.seconds,
        distributions=mass.distributions,
        largest_invalid_mass=mass.largest,
        before=folder.match("before"),
        after=after,
        stopped=stop(),
        missing="" if stop() else _missing(loop),
        selfplay_kernels=dict(loop.selfplay_launches),
        learner_kernels=learner_kernels,
        alarms=sorted(run.guard.alarms),
        guard=run.guard.news,
        writing_seconds=run.watch.seconds,
        writing_share=run.watch.share,
    )
    data = json.dumps(asdict(summary), default=str, indent=1).encode()
    run.disk.writing(lambda: write_atomic(folder.path / "summary.json", data))
    return summary


def _missing(loop: TrainingLoop) -> str:
    if not loop.counters.games:
        return "a finished game"
    return "" if loop.learner.step or not loop.settings.learner.reuse else "a step of the learner"


def _checkpoint(folder: RunFolder, resume: Resume, display: Screen) -> Checkpoint | None:
    """What to go on from, if anything; says which, and which ones are damaged."""
    if resume == "no" or not (list_checkpoints(folder.checkpoints) or folder.log.exists()):
        return None  # the first checkpoint comes before the first row
    path, checkpoint, damaged = newest_checkpoint(folder.checkpoints)
    for sentence in damaged:
        display.say(f"skipped: {sentence}")
    display.say(f"resuming {folder.path} from {path.name}")
    return checkpoint


def _network(settings: Settings, checkpoint: Checkpoint | None) -> Network:
    architecture = settings.network.architecture
    if checkpoint is None and settings.network.weights is None:
        return make_network(architecture)
    path = Path(settings.network.weights or "") if checkpoint is None else checkpoint.path / WEIGHTS
    network = load_weights(path).network
    if checkpoint is None:
        network = network.widened(architecture)
    if network.architecture != architecture:
        fault = f"'{path}' holds {network.architecture}, the settings ask for {architecture}"
        raise InputError(f"{fault}; a run keeps the network that it begins or goes on with")
    return network


def _pool(settings: Settings, first_stream: int, checkpoint: Checkpoint | None) -> Pool:
    if settings.replay.games is not None:
        return Pool()
    check_runtime(settings.selfplay.runtime, torch.device("cuda" if settings.selfplay.gpus > 0 else "cpu"))
    if settings.selfplay.actors == 0:
        with understood(checkpoint):
            return LocalPool(settings.actor, first_stream, checkpoint.player if checkpoint else None)
    return RayPool(settings.actor, first_stream=first_stream, heartbeat=settings.run.heartbeat_seconds)
