"""The training loop: collect games, add them to the replay buffer, sample batches, step, publish the weights.

Two bounds keep learner and actors in step. The learner trains a position `learner.reuse` times on average and then
waits for games; the actors have a bounded number of calls under way and then wait for the learner.

Everything else (checkpoints, matches, the log, the guard) is an `Attachment` of the loop."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from agent.errors import InputError
from agent.networks.meter import MassReading
from selfplay.pool import Pool
from selfplay.record import GameRecord
from training.attachment import Attachment
from training.durability.window import Window
from training.learner import Learner, LearningError, StepMeans
from training.settings import Settings
from training.targets import targets_by


@dataclass
class Counters:
    """Totals of the run, resumes included."""

    games: int = 0
    positions: int = 0  # plies of finished games
    seconds: float = 0.0  # spent training
    version: int = 0  # times the weights were published
    streams: int = 0  # generator streams handed out: no stream is ever used twice
    mass: MassReading = field(default_factory=MassReading)  # every distribution sampled or trained

    def state(self) -> dict[str, Any]:
        """For a checkpoint; `restored` reads it back."""
        counters = asdict(self)
        return {"mass": counters.pop("mass"), "counters": counters}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Self:
        """The counters of a checkpoint that holds their `state`."""
        return cls(**state["counters"], mass=MassReading(**state["mass"]))


class Stopwatch:
    """Adds up seconds by what they were spent on; parts do not nest."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()  # seconds by part since the start
        self._recent: Counter[str] = Counter()
        self._taken = time.perf_counter()

    @contextmanager
    def spending(self, part: str) -> Iterator[None]:
        """Count a block's time as spent on `part`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.total[part] += seconds  # type: ignore[assignment]
            self._recent[part] += seconds  # type: ignore[assignment]

    def row(self, parts: Iterable[str]) -> dict[str, float]:
        """Shares of the time since the last row, by tag."""
        before, self._taken = self._taken, time.perf_counter()
        elapsed = max(self._taken - before, 1e-9)
        recent, self._recent = self._recent, Counter()
        return {f"time/{part}": min(recent[part] / elapsed, 1.0) for part in parts}


class TrainingLoop:
    """One run in progress. The hooks of `attachments` are called in their order."""

    def __init__(
        self, settings: Settings, learner: Learner, window: Window, attachments: Sequence[Attachment] = ()
    ) -> None:
        self.settings, self.learner, self.window, self.attachments = settings, learner, window, attachments
        self.counters = Counters()
        self.mass = MassReading()  # of the distributions since the last row of the log
        self.selfplay_launches: Counter[str] = Counter()
        """How often the actors ran each kernel on each backend, since this process started."""
        self.pool: Pool | None = None
        self.stop: Callable[[], bool] = lambda: False
        self.paused = 0.0  # seconds of this process that do not count as training
        self.stopwatch = Stopwatch()
        self.waiting = "playing" if settings.selfplay.actors == 0 else "waiting"
        """What the stopwatch calls waiting for games: a process that plays them itself never waits."""
        self._generator = np.random.default_rng([settings.run.seed, 1])

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0..1, by time or by steps, whichever is further."""
        run = self.settings.run
        by_time = self.counters.seconds / (60 * run.minutes) if run.minutes else 0.0
        by_steps = self.learner.step / run.steps if run.steps else 0.0
        return min(max(by_time, by_steps), 1.0)

    def run(self, pool: Pool, *, stop: Callable[[], bool]) -> None:
        """Train until the settings say so, or `stop`, which is called between steps. An InvalidMassError for mass on an
        illegal move, sampled or trained; a LearningError for a loss that is not finite, where no attachment repaired
        the learner."""
        self.pool, self.stop, self.stopwatch = pool, stop, Stopwatch()
        before, started, self.paused = self.counters.seconds, time.monotonic(), 0.0
        pool.publish(self.learner.weights(), self.counters.version)
        self.counters.streams = pool.streams  # the first checkpoint holds both
        for attachment in self.attachments:
            attachment.begin(self)
        while self.progress < 1.0 and not stop():
            self._collect(pool)
            self._train(pool)
            self.counters.seconds = before + time.monotonic() - started - self.paused
            for attachment in self.attachments:
                attachment.turned(self)
        for attachment in self.attachments:
            attachment.end(self)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside the weights, the optimizer and unfinished games; plain JSON."""
        return {
            "step": self.learner.step,
            **self.counters.state(),
            "means": {"steps": self.learner.means.steps, "sums": self.learner.means.sums},
            "replay": self.window.state(),
            "generator": self._generator.bit_generator.state,
            "torch_generator": torch.get_rng_state().numpy().tobytes().hex(),
            "attachments": {each.name: each.state() for each in self.attachments if each.name},
        }

    def restore(self, state: dict[str, Any], say: Callable[[str], None]) -> None:
        """Take over what `state` gave; the weights and the optimizer are restored by their owner. `say` gets a sentence
        for each piece of damage in the games on disk."""
        self.learner.step = int(state["step"])
        self.learner.means = StepMeans(**state["means"])
        self.counters = Counters.restored(state)
        for attachment in self.attachments:
            if attachment.name:
                attachment.restore(state["attachments"][attachment.name])
        for game in self.window.restore(state["replay"], say):  # those that arrived after the checkpoint
            self.counters.streams = max(self.counters.streams, game.stream + 1)
            self._added(game.record)
        self._generator.bit_generator.state = state["generator"]
        torch.set_rng_state(torch.frombuffer(bytearray.fromhex(state["torch_generator"]), dtype=torch.uint8))

    def learn_from(self, folders: Iterable[Path], say: Callable[[str], None]) -> None:
        """Fill the replay buffer with the games of the replay stores in `folders`; an InputError where one holds none,
        or one side searches and the other does not."""
        plies: list[int] = []
        for folder in folders:
            before = self.window.replay.added
            try:
                plies += [record.plies for record in self.window.fill(folder, self.settings.learner, say)]
            except ValueError as error:
                raise InputError(f"games in '{folder}' were searched; set selfplay.simulations as they were") from error
            if self.window.replay.added == before:
                games = "searched games" if self.settings.selfplay.search else "games"
                raise InputError(f"'{folder}' holds no {games} to learn from; let a run with learner.reuse=0 play some")
        self.counters.games, self.counters.positions = len(plies), sum(plies)

    def _collect(self, pool: Pool) -> None:
        """Take the games that are ready into the replay buffer; wait for some if the learner needs them."""
        wait, learner = not self._may_train(), self.settings.learner
        with self.stopwatch.spending(self.waiting if wait else "ingesting"):
            batches = pool.collect(wait=wait)
        with self.stopwatch.spending("ingesting"):
            for batch in batches:
                self._measured(batch.statistics.mass)
                self.selfplay_launches.update(batch.launches)
                for record in batch.records:
                    if self.window.add(record, targets_by(learner, record), batch.stream):
                        self._added(record)
            self.counters.streams = pool.streams
            for attachment in self.attachments:
                attachment.collected(self, batches)

    def _train(self, pool: Pool) -> None:
        """Steps until the next version is due or games are needed."""
        settings = self.settings.learner
        while self._may_train() and self.progress < 1.0:
            with self.stopwatch.spending("sampling"):
                batch = self.window.replay.sample(settings.batch_size, self._generator, settings.mirrored)
            try:
                with self.stopwatch.spending("learning"):
                    self.learner.train(batch, progress=self.progress)
            except LearningError as error:
                if not any(attachment.failed(self, batch, error) for attachment in self.attachments):
                    raise
                self._publish(pool)
                return
            self._measured(self.learner.meter.take())
            for attachment in self.attachments:
                attachment.stepped(self, batch)
            if self.learner.step % settings.publish_steps == 0:
                self._publish(pool)
                return

    def _publish(self, pool: Pool) -> None:
        self.counters.version += 1
        with self.stopwatch.spending("publishing"):
            pool.publish(self.learner.weights(), self.counters.version)

    def _may_train(self) -> bool:
        replay = self.window.replay
        if self.settings.replay.games is not None:
            return True
        if len(replay) < min(self.settings.replay.warmup, replay.capacity):
            return False
        trained = (self.learner.step + 1) * self.settings.learner.batch_size
        return trained <= self.settings.learner.reuse * replay.added

    def _measured(self, reading: MassReading) -> None:
        self.mass.add(reading)
        self.counters.mass.add(reading)

    def _added(self, record: GameRecord) -> None:
        self.counters.games += 1
        self.counters.positions += record.plies
        for attachment in self.attachments:
            attachment.added(self, record)
