"""One command: a match before, training with actors, a match after, a summary with the next command to type."""

import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any, Final

import ray
import torch

import kernels
from agent.compilation import warm_up
from agent.errors import InputError
from agent.evaluator_choice import check_runtime
from agent.files import write_atomic
from agent.meter import InvalidMassError
from agent.network import Architecture
from agent.networks import AnyArchitecture, AnyNetwork, make_network
from agent.search import SearchSettings
from agent.sparse_architecture import SparseArchitecture
from agent.weights import load_weights
from selfplay.actor import ActorSettings
from selfplay.generator import GeneratorSettings
from selfplay.inference import InferenceSettings
from selfplay.mover import PlayoutCap
from selfplay.pool import LocalPool, Pool, RayPool
from selfplay.resignation import Resignation
from selfplay.starts import StartSettings
from training.checkpoint import WEIGHTS, Checkpoint, newest_checkpoint
from training.display import Display
from training.doctor import usable_cores
from training.learner import LearningError
from training.loop import TrainingLoop
from training.match import MatchResult
from training.run_folder import RunFolder
from training.run_match import settings_match
from training.settings import Settings, load_settings
from training.watching.ray_gauges import RayGauges

OBJECT_STORE_BYTES: Final = 512 * 2**20
"""Of a local Ray: games and weights in flight need a few MB; Ray's default would take 30 % of the memory."""


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
    stopped: bool
    """Ended by Ctrl-C or SIGTERM rather than by its settings."""
    selfplay_kernels: dict[str, int]
    """How often the actors ran each kernel on each backend since the last start, such as `masked_sample.numba`."""
    learner_kernels: dict[str, int]
    """The same for the learner."""
    alarms: list[str]
    """Of the guard that were on at the end."""
    guard: list[dict[str, Any]]
    """What the guard said and did since the start of the run: `step`, `text`."""
    writing_seconds: float
    """Processor time spent on rows, pictures and text since the last start."""
    writing_share: float
    """That, of the time spent training since then."""

    def to_json(self) -> str:
        """For `summary.json` in the run folder."""
        return json.dumps(asdict(self), default=str, indent=1)


def train_command(config: str | None, overrides: list[str], resume: str | None, cluster: str | None) -> int:
    """What `zeromass train` does; the exit code: 0, or 1 when the run had to stop itself.

    Raises:
        InputError: bad settings, an unknown run, no valid checkpoint, an unreachable cluster.
    """
    display = Display()
    checkpoint: Checkpoint | None = None
    if resume is None:
        settings = load_settings(config or "cpu", overrides)
        folder = RunFolder.create(settings, config)
    else:
        if config is not None:
            raise InputError(f"--resume takes the run's own settings, so the config '{config}' cannot be used with it")
        folder = RunFolder.find(resume)
        settings = folder.settings(overrides)
        path, checkpoint, damaged = newest_checkpoint(folder.checkpoints)
        for sentence in damaged:
            display.say(f"skipped: {sentence}")
        display.say(f"resuming {folder.path} from {path.name}")
    try:
        display.summary(run_training(settings, folder, checkpoint=checkpoint, cluster=cluster, display=display))
    except (InvalidMassError, LearningError) as error:
        display.say(f"zeromass: {error}", error=True)
        return 1
    except OSError as error:
        raise InputError(
            f"run '{folder.path}' cannot be written ({error.strerror or error}); "
            f"make room or mend it, then go on with --resume {folder.path}"
        ) from error
    return 0


def run_training(
    settings: Settings, folder: RunFolder, *, checkpoint: Checkpoint | None, cluster: str | None, display: Display
) -> Summary:
    """Train as the settings say.

    Args:
        settings: of the run.
        folder: of the run; exists.
        checkpoint: to go on from, or None.
        cluster: address of a Ray cluster to join; None starts Ray on this machine.
        display: progress for people.

    Raises:
        InputError: the checkpoint does not fit the settings, or the cluster cannot be reached.
        InvalidMassError: mass on an illegal move.
        LearningError: a loss that is not finite.
    """
    warm_up(display.say)
    torch.manual_seed(settings.run.seed)
    network = _network(settings, folder, checkpoint)
    loop = TrainingLoop(settings, folder, network, checkpoint)
    if checkpoint is not None and loop.progress >= 1.0:
        loop.close()
        raise InputError(
            f"run '{folder.path}' has already trained for its run.minutes={settings.run.minutes}, "
            f"run.steps={settings.run.steps}; give a larger one to go on"
        )
    try:
        before = folder.first_match() if checkpoint else _match(loop, display, "before")
        torch.set_num_threads(settings.learner.threads)
        with _stop_on_signals() as stopped, _pool(settings, loop, cluster, display) as pool, display.training():
            kernels.reset_launches()
            if cluster is not None:
                loop.watch.gauges = RayGauges(folder.path.name)
            loop.run(pool, stop=stopped.is_set, tick=display.tick)
            learner_kernels = kernels.launches()
        after = None if stopped.is_set() else _match(loop, display, "after")
    finally:
        loop.close()
    mass = loop.counters.mass
    summary = Summary(
        folder=folder.path,
        games=loop.counters.games,
        positions=loop.counters.positions,
        steps=loop.learner.step,
        seconds=loop.counters.seconds,
        distributions=mass.distributions,
        largest_invalid_mass=mass.largest,
        before=before,
        after=after,
        stopped=stopped.is_set(),
        selfplay_kernels=dict(loop.selfplay_launches),
        learner_kernels=learner_kernels,
        alarms=sorted(loop.guard.alarms),
        guard=[asdict(news) for news in loop.remedies.news],
        writing_seconds=loop.watch.seconds,
        writing_share=loop.watch.share,
    )
    write_atomic(folder.path / "summary.json", summary.to_json().encode())
    return summary


def _network(settings: Settings, folder: RunFolder, checkpoint: Checkpoint | None) -> AnyNetwork:
    architecture = architecture_of(settings)
    if checkpoint is None and settings.network.weights is None:
        return make_network(architecture)
    path = Path(settings.network.weights or "")
    if checkpoint is not None:
        assert checkpoint.path is not None  # it was read
        path = checkpoint.path / WEIGHTS
    network = load_weights(path).network
    if network.architecture != architecture:
        raise InputError(
            f"'{path}' holds {network.architecture}, the settings ask for {architecture}; "
            "a run keeps the network that it begins or goes on with"
        )
    return network


def _match(loop: TrainingLoop, display: Display, when: str) -> MatchResult | None:
    """Play the settings' match, unless they ask for none, and keep its result with the run."""
    settings = loop.settings.evaluation
    if settings.games == 0:
        return None
    torch.set_num_threads(usable_cores())
    title = f"{settings.games} games against {settings.opponent} {when} training"
    with display.counting(title, settings.games) as advance:
        result = settings_match(loop.learner, loop.settings, advance)
    loop.note_match(result, when)
    display.say(f"score {when} training: {result.sentence()}")
    return result


def actor_settings_of(settings: Settings) -> ActorSettings:
    """What an actor needs to know of the run's settings."""
    selfplay = settings.selfplay
    search = None
    if selfplay.simulations:
        search = SearchSettings(
            simulations=selfplay.simulations,
            considered=selfplay.considered,
            c_visit=selfplay.c_visit,
            c_scale=selfplay.c_scale,
            gumbel_scale=selfplay.gumbel_scale,
            claim_draws=selfplay.claim_draws,
        )
    return ActorSettings(
        architecture=architecture_of(settings),
        generator=GeneratorSettings(
            games=selfplay.games,
            start=StartSettings(selfplay.opening_plies, selfplay.book_share, selfplay.endgame_share),
            ply_cap=selfplay.ply_cap,
            temperature=selfplay.temperature,
            claim_draws=selfplay.claim_draws,
            search=search,
            cap=PlayoutCap(selfplay.deep_share, selfplay.fast_simulations),
            resignation=Resignation(selfplay.resign_below, played_on=selfplay.played_on),
        ),
        seed=settings.run.seed,
        plies_per_call=selfplay.plies_per_call,
        threads=selfplay.threads,
        cuda=selfplay.gpus > 0,
        runtime=settings.inference.runtime,
    )


def inference_settings_of(settings: Settings) -> InferenceSettings | None:
    """What the inference actor needs to know, if the settings ask for one.

    Raises:
        InputError: they ask for one that would have nothing to do.
    """
    inference = settings.inference
    if not inference.actor:
        return None
    if settings.selfplay.actors == 0:
        raise InputError("setting inference.actor=true needs game actors; set selfplay.actors to 1 or more")
    if settings.network.kind == "sparse":
        raise InputError(
            "setting inference.actor=true is for network.kind=residual; a sparse network is evaluated inside the search"
        )
    return InferenceSettings(
        batch_size=inference.batch_size,
        max_wait_ms=inference.max_wait_ms,
        gpus=inference.gpus,
        threads=inference.threads,
        runtime=inference.runtime,
    )


def architecture_of(settings: Settings) -> AnyArchitecture:
    """The network that the settings ask for."""
    network = settings.network
    if network.kind == "residual":
        return Architecture(blocks=network.blocks, channels=network.channels)
    return SparseArchitecture(
        width=network.width,
        hidden=network.hidden,
        threats=network.threats,
        control=network.control,
        king_buckets=network.king_buckets,
        moves=network.moves,
        phases=network.phases,
    )


@contextmanager
def _pool(settings: Settings, loop: TrainingLoop, cluster: str | None, display: Display) -> Iterator[Pool]:
    selfplay = settings.selfplay
    actor_settings = actor_settings_of(settings)
    inference = inference_settings_of(settings)
    gpus = selfplay.gpus if inference is None else inference.gpus
    check_runtime(settings.inference.runtime, torch.device("cuda" if gpus > 0 else "cpu"))
    first_stream = loop.counters.streams
    if selfplay.actors == 0:
        yield LocalPool(actor_settings, first_stream)
        return
    display.say(f"starting {selfplay.actors} self-play actors ...")
    start_ray(settings, cluster)
    try:
        pool = RayPool(
            actor_settings, selfplay.actors, first_stream=first_stream, gpus=selfplay.gpus, inference=inference
        )
        try:
            yield pool
        finally:
            pool.close()
    finally:
        ray.shutdown()


def start_ray(settings: Settings, cluster: str | None) -> None:
    """Start Ray on this machine, for this process alone, or join the cluster at an address.

    Raises:
        InputError: the cluster cannot be joined.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if cluster is not None:
        try:
            ray.init(address=cluster, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"Ray cluster '{cluster}' cannot be joined ({reason}); check the address") from error
        return
    selfplay, inference = settings.selfplay, settings.inference
    ray.init(
        address="local",
        num_cpus=max(selfplay.actors * selfplay.threads + inference.actor * inference.threads, usable_cores()),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
    )


@contextmanager
def _stop_on_signals() -> Iterator[Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts at once."""
    stopped = Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
