"""The training loop: games in, batches, steps, versions out; checkpoints and rows on the way.

Two bounds keep learner and actors in step. The learner trains a position `learner.reuse` times on average and
then waits for games; the actors have a bounded number of calls under way and then wait for the learner.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

import agent.networks.weights
from agent.errors import InputError
from agent.networks.meter import MassReading
from agent.networks.network import Network
from selfplay.actor import GameBatch
from selfplay.pool import Pool
from selfplay.record import GameRecord
from training.counters import Counters
from training.durability.checkpoint import Arrays, Checkpoint, kept_states, write_checkpoint
from training.durability.disk import DiskPatience
from training.durability.run_folder import RunFolder
from training.durability.snapshots import Every, Snapshots
from training.durability.watchdog import LearningWatchdog
from training.durability.window import SYNC_GAMES, Window, first_needed
from training.evaluation.match import MatchResult
from training.evaluation.run_match import StoppedError, settings_conversion, settings_match
from training.learner import LearningError, StepMeans
from training.monitoring.figures import value_spread
from training.monitoring.guard import Guard
from training.monitoring.metrics import Metrics, mass_row, match_row
from training.monitoring.watch import Watch
from training.parallel import make_learner
from training.replay import ENTRIES_PER_PLY, Batch, ReplayBuffer
from training.settings import Settings
from training.targets import targets

SYNC_SECONDS: Final = 1.0
"""Longest time between a game's arrival and its acknowledgement, while the learner does not step."""
PGN_EVERY: Final = 200
"""Games of which one is kept as PGN."""
KEPT_CHECKPOINTS: Final = 3
"""Older ones are deleted."""
RESERVE_BYTES: Final = 64 * 2**20
"""Training pauses while the disk has less free space."""


class TrainingLoop:
    """One run in progress.

    Args:
        settings: of the run.
        folder: of the run.
        network: trained in place.
        checkpoint: what to go on from; None for a new run.
        say: gets a line for people when something is wrong that does not end the run.
    """

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        network: Network,
        checkpoint: Checkpoint | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        searched = settings.selfplay.simulations > 0
        self.learner = make_learner(network, settings.learner, searched=searched)
        self.replay = make_replay(settings)
        self.window = Window(self.replay, folder.replay)
        self.disk = DiskPatience(folder.path, reserve=RESERVE_BYTES, say=say)
        self.watchdog = LearningWatchdog(folder.checkpoints, folder.evidence, say)
        self._say = say
        self.counters = Counters()
        self.guard = Guard(settings.guard)
        self.player: Arrays = {} if checkpoint is None else checkpoint.player
        """What the checkpoint tells of unfinished games, see `Pool.state`."""
        self._pool: Pool | None = None
        self.recent: dict[str, float] = {}
        """The last row written, for a display."""
        self.selfplay_launches: Counter[str] = Counter()
        """How often the actors ran each kernel on each backend, since this process started."""
        self._generator = np.random.default_rng([settings.run.seed, 1])
        if checkpoint is not None:
            self._restore(checkpoint)
        resumed_at = None if checkpoint is None else self.learner.step
        self._metrics = self.disk.writing(lambda: Metrics(folder, resumed_at))
        self.watch = Watch(settings, folder, self._metrics, self.guard.games, say)
        self._mass = MassReading()
        self._last_checkpoint = self._last_sync = time.monotonic()
        self.saved_step = -1 if checkpoint is None else self.learner.step
        """Of the newest checkpoint; -1: none yet."""
        seconds = self.counters.seconds
        self._snapshots = Snapshots(folder.path, settings.run.snapshot_minutes, seconds, self.learner.step)
        self._match = Every(settings.evaluation.every_minutes, seconds)

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0..1, by time or by steps, whichever is further."""
        run = self.settings.run
        by_time = self.counters.seconds / (60 * run.minutes) if run.minutes else 0.0
        by_steps = self.learner.step / run.steps if run.steps else 0.0
        return min(max(by_time, by_steps), 1.0)

    def run(self, pool: Pool, *, stop: Callable[[], bool], tick: Callable[["TrainingLoop"], None]) -> None:
        """Train until the settings say so or `stop` does; ends in a checkpoint.

        Args:
            pool: where games come from.
            stop: asked between steps.
            tick: called often, for a display.

        Raises:
            InvalidMassError: mass on an illegal move, sampled or trained.
            LearningError: a loss that is not finite.
        """
        seconds_before, started = self.counters.seconds, time.monotonic()
        self._last_checkpoint = started
        self._pool = pool
        paused_before, self.disk.stop = self.disk.paused, stop
        if self.saved_step < 0:
            self.save()  # from here on there is always something to go on from
        self.watch.begin(self.learner.step)
        spending = self.watch.stopwatch.spending
        pool.publish(self.learner.weights(), self.counters.version)
        if self.learner.step == 0:
            self._snapshot()
        while self.progress < 1.0 and not stop():
            for batch in self.watch.collect(pool, wait=not self._may_train()):
                with spending("ingesting"):
                    self._ingest(batch)
            self.counters.streams = pool.streams
            self._acknowledge()
            if self._may_train():
                self._train(pool)
            self.counters.seconds = seconds_before + time.monotonic() - started - self.disk.paused + paused_before
            if time.monotonic() - self._last_checkpoint > self.settings.run.checkpoint_seconds:
                with spending("saving"):
                    self.save()
            with spending("evaluating"):
                self._on_the_way(stop)
            tick(self)
        self.watch.draw(self.learner, last=True)
        self.watch.end()
        self.save()
        self._snapshot()

    def _snapshot(self) -> None:
        self.disk.writing(lambda: self._snapshots.take(self.learner, self.provenance()))

    def note_match(
        self, result: MatchResult, when: str, conversion: Mapping[str, float] | None = None, seconds: float = 0.0
    ) -> None:
        """Keep a match's result with the run and show it in TensorBoard.

        Args:
            result: of the match.
            when: `before`, `during` or `after` training.
            conversion: share of won endings that were won, by ending.
            seconds: that it took.
        """
        more = {"minutes": self.counters.seconds / 60, "seconds": seconds, "conversion": conversion or {}}
        row = {"step": self.learner.step, "when": when, **result.to_json(), **more}
        self.disk.writing(lambda: self.folder.append_match(row))
        self._metrics.scalars(match_row(result, conversion or {}, seconds), self.learner.step)
        self._metrics.flush()

    def close(self) -> None:
        """Close the event file, end the learner's other processes."""
        self.learner.close()
        self._metrics.close()

    def save(self) -> Path | None:
        """Write a checkpoint, unless this step has one; everything logged so far is flushed first."""
        self._last_checkpoint = time.monotonic()
        if self.learner.step == self.saved_step:
            return None
        self.disk.room()
        self._metrics.flush()
        self.disk.writing(self.window.sync)  # a checkpoint may only tell of games that are durable
        state: dict[str, Any] = {
            "step": self.learner.step,
            **self.counters.state(),
            "means": {"steps": self.learner.means.steps, "sums": self.learner.means.sums},
            "replay": self.window.state(),
            "guard": self.guard.state(),
            "generator": self._generator.bit_generator.state,
            "torch_generator": torch.get_rng_state().numpy().tobytes().hex(),
        }
        checkpoint = Checkpoint(
            agent.networks.weights.to_bytes(self.learner.network, self.provenance()),
            self.learner.state_arrays(),
            state,
            self.player if self._pool is None else self._pool.state(),
        )
        folder, keep = self.folder.checkpoints, KEPT_CHECKPOINTS
        path = self.disk.writing(lambda: write_checkpoint(folder, self.learner.step, checkpoint, keep=keep))
        self.window.prune(first_needed([kept["replay"] for kept in kept_states(folder)]))
        self.saved_step = self.learner.step
        return path

    def provenance(self) -> dict[str, str]:
        """Where the weights come from, for their metadata."""
        return {
            "run": self.folder.path.name,
            "step": str(self.learner.step),
            "version": str(self.counters.version),
            "games": str(self.counters.games),
            "positions": str(self.counters.positions),
            "seed": str(self.settings.run.seed),
            "seconds": f"{self.counters.seconds:.1f}",
            **({"began_with": Path(began).name} if (began := self.settings.network.weights) else {}),
        }

    def _restore(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        if "number" not in state["replay"]:
            raise InputError(
                f"checkpoint '{checkpoint.path}' is of an earlier version, which kept its games in checkpoints; "
                "start a new run"
            )
        self.learner.step = int(state["step"])
        self.learner.restore(checkpoint.optimizer)
        self.learner.means = StepMeans(**state["means"])
        self.counters = Counters.restored(state)
        self.guard.restore(state["guard"])
        if self.settings.selfplay.actors == 0:
            self.disk.writing(partial(self.window.cut, state["replay"]))
        for game in self.window.restore(state["replay"], self._say):
            self.guard.game(game.record)
            self._count(game.record)
            self.counters.streams = max(self.counters.streams, game.stream + 1)
        self._generator.bit_generator.state = state["generator"]
        torch.set_rng_state(torch.frombuffer(bytearray.fromhex(state["torch_generator"]), dtype=torch.uint8))

    def _on_the_way(self, stop: Callable[[], bool]) -> None:
        """The snapshot and the match that are due; a checkpoint goes before, so that a resume repeats neither."""
        if self.learner.step == 0:
            return  # nothing was learned yet
        snapshot, match = self._snapshots.due(self.counters.seconds), self._match.due(self.counters.seconds)
        if snapshot or match:
            self.save()
        if snapshot:
            self._snapshot()
        if match and self.progress < 1.0:  # else the one after training says it
            started = time.monotonic()
            try:
                result = settings_match(self.learner, self.settings, stop=stop)
                conversion = settings_conversion(self.learner, self.settings, stop=stop)
            except StoppedError:
                return
            self.note_match(result, "during", conversion, time.monotonic() - started)

    def _may_train(self) -> bool:
        if len(self.replay) < min(self.settings.replay.warmup, self.replay.capacity):
            return False
        trained = (self.learner.step + 1) * self.settings.learner.batch_size
        return trained <= self.settings.learner.reuse * self.replay.added

    def _ingest(self, batch: GameBatch) -> None:
        learner = self.settings.learner
        self.watch.batch(batch, self.counters.version)
        self.selfplay_launches.update(batch.launches)
        self._mass.add(batch.statistics.mass)
        self.counters.mass.add(batch.statistics.mass)
        for record in batch.records:
            target = targets(
                record,
                adjudication=learner.adjudication,
                value_lambda=learner.value_lambda,
            )
            if not self.window.add(record, target, batch.stream):
                continue
            self.guard.game(record)
            if self.counters.games % PGN_EVERY == 0:
                number = self.counters.games
                self.disk.writing(partial(self.folder.save_game, number, record))
            self._count(record)

    def _count(self, record: GameRecord) -> None:
        self.counters.games += 1
        self.counters.positions += record.plies

    def _acknowledge(self) -> None:
        """Make the games that came in durable, many at a time: from then on no kill loses them."""
        due = time.monotonic() - self._last_sync > SYNC_SECONDS or self.window.store.waiting >= SYNC_GAMES
        if due and self.window.store.waiting:
            self.disk.room()
            self.disk.writing(self.window.sync)
            self._last_sync = time.monotonic()

    def _train(self, pool: Pool) -> None:
        """Steps until the next version is due or games are needed."""
        settings, spending = self.settings.learner, self.watch.stopwatch.spending
        while self._may_train() and self.progress < 1.0:
            with spending("sampling"):
                batch = self.replay.sample(settings.batch_size, self._generator)
            try:
                with spending("learning"):
                    self.learner.train(batch, progress=self.progress)
            except LearningError as error:
                self.watchdog.rescue(self.learner, batch, error)
                self.counters.version += 1
                pool.publish(self.learner.weights(), self.counters.version)
                break
            self.guard.batch(batch)
            reading = self.learner.meter.take()
            self._mass.add(reading)
            self.counters.mass.add(reading)
            if self.learner.step % self.settings.log.steps == 0:
                self._log(batch, pool)
            if self.learner.step % settings.publish_steps == 0:
                self.counters.version += 1
                with spending("publishing"):
                    pool.publish(self.learner.weights(), self.counters.version)
                break

    def _log(self, batch: Batch, pool: Pool) -> None:
        means = self.learner.means.take()
        spread = value_spread(self.learner.network, batch.positions)
        self.guard.learned(means, spread)
        row = {
            **means,
            **mass_row(self._mass, self.counters.mass),
            "replay/size": float(len(self.replay)),
            "replay/age": self.counters.version - self.replay.mean_version(),
            "replay/reuse": self.learner.step * self.settings.learner.batch_size / max(self.replay.added, 1),
            "learner/learning_rate": self.learner.learning_rate(self.progress),
            "system/workers_alive": float(pool.actors),
            "system/restarts": float(pool.restarts),
            "system/rescues": float(self.watchdog.rescues),
            **self.guard.judge(self.learner.step),
            **self.watch.row(pool, self.learner, batch.positions),
        }
        self.disk.room()
        with self.watch.stopwatch.spending("writing"):
            self.disk.writing(lambda: self._metrics.write(self.learner.step, row))
        self.watch.draw(self.learner)
        self.recent = row
        self._mass = MassReading()


def make_replay(settings: Settings) -> ReplayBuffer:
    """An empty replay as the settings ask for."""
    searched = settings.selfplay.simulations > 0
    entries = ENTRIES_PER_PLY if searched else 0
    replay = settings.replay
    return ReplayBuffer(replay.capacity, entries_per_ply=entries)
