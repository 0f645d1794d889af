"""What the training loop shows of itself: rows for the dashboard, and pictures now and then. It bounds its own cost:
pictures wait while all of this has cost more than `BUDGET` of the time so far. Every run gets one set, though, however
short it is."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from chess.pgn import StringExporter

from agent.networks.meter import MassReading
from agent.networks.network import Network
from selfplay.actor import GameBatch
from training.attachment import Attachment
from training.durability.disk import DiskPatience
from training.durability.run_folder import to_pgn
from training.learner import Learner
from training.loop import Stopwatch, TrainingLoop
from training.monitoring.about import how_to_read, settings_text, versions_text
from training.monitoring.actors import ActorTally
from training.monitoring.figures import RecentGames, leak_row, policy_now
from training.monitoring.metrics import Metrics
from training.monitoring.pictures.calibration import calibration, picture_of_calibration
from training.monitoring.pictures.game import picture_of_record
from training.monitoring.pictures.ladder import picture_of_ladder, read_standings
from training.monitoring.pictures.openings import picture_of_openings
from training.monitoring.tags.layout import layout
from training.replay import Batch
from training.settings import Settings

BUDGET: Final = 0.005  # share of the time above which pictures wait: half of the 1 % that monitoring may cost
FIRST_SECONDS: Final = 60.0  # before the first pictures, so that they stay within the budget of a run of minutes
WINDOW: Final = 15.0  # seconds of a rate: many calls of an actor, few checkpoints
DETAIL_SECONDS: Final = 10.0
"""Between rows that have everything: games and audit cost more than the rest, and the times of actors and learner come
in bursts."""
PARTS: Final = ("learning", "sampling", "ingesting", "publishing", "evaluating", "saving", "writing")
"""Of the learner's time, beside waiting for games or playing them."""


class Rates:
    """Counts per second over a sliding window, because games arrive in bursts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._started = clock, clock()
        self._counted: deque[tuple[float, dict[str, int]]] = deque()

    def add(self, **counts: int) -> None:
        """These many more of each thing."""
        self._counted.append((self._clock(), counts))

    def per_second(self, thing: str) -> float:
        """Over the window, or over the time so far if that is shorter."""
        now = self._clock()
        while self._counted and self._counted[0][0] < now - WINDOW:
            self._counted.popleft()
        seconds = min(WINDOW, max(now - self._started, 1e-9))
        return sum(counts.get(thing, 0) for _, counts in self._counted) / seconds


class LoopFigures(Attachment):
    """The figures of learner, replay buffer and pool."""

    def row(self, loop: TrainingLoop, batch: Batch, row: dict[str, float]) -> None:
        """Figures since the last row, which ends with this one."""
        replay, learner, mass = loop.window.replay, loop.learner, loop.mass
        loop.mass = MassReading()
        row |= {
            **learner.means.take(),
            "policy/invalid_mass_max": mass.largest,
            "policy/invalid_mass_mean": mass.mean,
            "policy/distributions_checked": float(loop.counters.mass.distributions),
            "replay/size": float(len(replay)),
            "replay/age": loop.counters.version - replay.mean_version(),
            "replay/reuse": learner.step * loop.settings.learner.batch_size / max(replay.added, 1),
            "learner/learning_rate": learner.learning_rate(loop.progress),
        }
        if loop.pool is not None:
            row["system/workers_alive"] = float(loop.pool.actors)
            row["system/workers_waiting"] = float(loop.pool.waiting)
            row["system/restarts"] = float(loop.pool.restarts)


class Watch(Attachment):
    """Writes the rows of the log and the pictures. `games` are filled by their owner, the guard. `say` gets a warning
    when a process's memory keeps growing."""

    def __init__(
        self, settings: Settings, metrics: Metrics, games: RecentGames, disk: DiskPatience, say: Callable[[str], None]
    ) -> None:
        self.recent: dict[str, float] = {}  # the last row written
        self._settings, self._metrics, self._games, self._disk = settings, metrics, games, disk
        self._actors, self._rates, self._stopwatch = ActorTally(say), Rates(), Stopwatch()
        self._since = Counter[str]()  # what was collected since the last row
        self._step = 0
        self._drawn_at: tuple[int, float] | None = None
        self._started = time.monotonic()
        self._detailed_at: float | None = None
        self._ended: float | None = None

    def begin(self, loop: TrainingLoop) -> None:
        """Write what is known from the start."""
        self._started, self._step = time.monotonic(), loop.learner.step
        self._rates, self._stopwatch = Rates(), loop.stopwatch
        first = self._metrics.first_step
        with self._stopwatch.spending("writing"):
            self._metrics.layout(layout())
            self._metrics.text("run/how_to_read", how_to_read(), first)
            self._metrics.text("run/settings", settings_text(self._settings), first)
            self._metrics.text("run/versions", versions_text(), first)

    def collected(self, loop: TrainingLoop, batches: Sequence[GameBatch]) -> None:
        """Count what actors did."""
        version = loop.counters.version
        self._since["calls"] += 1
        for batch in batches:
            done = batch.statistics
            self._actors.add(batch)
            self._rates.add(plies=done.plies, games=len(batch.records))
            counts = {"batches": 1, "plies": done.plies, "lag": version - batch.version, "entropy": done.entropy_total}
            self._since.update(counts)

    def stepped(self, loop: TrainingLoop, batch: Batch) -> None:
        """Write a row every `log.steps` steps, and pictures when they are due."""
        if loop.learner.step % self._settings.log.steps:
            return
        row: dict[str, float] = {}
        for attachment in loop.attachments:
            attachment.row(loop, batch, row)
        self._disk.room()
        with self._stopwatch.spending("writing"):
            self._disk.writing(lambda: self._metrics.write(loop.learner.step, row))
            self._disk.writing(self._metrics.flush)
        self._draw(loop.learner)
        self.recent = row

    def row(self, loop: TrainingLoop, batch: Batch, row: dict[str, float]) -> None:
        """Rates, and what the actors did since the last row."""
        now, since, self._since = time.monotonic(), self._since, Counter()
        with self._stopwatch.spending("writing"):
            self._rates.add(steps=loop.learner.step - self._step)
            self._step = loop.learner.step
            row |= {
                "selfplay/games_per_second": self._rates.per_second("games"),
                "selfplay/positions_per_second": self._rates.per_second("plies"),
                "learner/steps_per_second": self._rates.per_second("steps"),
                "system/queue": since["batches"] / max(since["calls"], 1),
                **self._actors.memory_row(),
            }
            if since["plies"]:
                row["selfplay/entropy"] = since["entropy"] / since["plies"]
                row["system/version_lag"] = since["lag"] / since["batches"]
            if self._detailed_at is None or now - self._detailed_at >= DETAIL_SECONDS:
                row |= self._details(loop, batch)
                self._detailed_at = now

    def end(self, loop: TrainingLoop) -> None:
        """Draw the last pictures; from here on the time does not count."""
        self._draw(loop.learner, last=True)
        self._ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent on rows, pictures and text since training began."""
        return self._stopwatch.total["writing"]

    @property
    def share(self) -> float:
        """That, of the time since training began."""
        return self.seconds / max((self._ended or time.monotonic()) - self._started, 1e-9)

    def _draw(self, learner: Learner, *, last: bool = False) -> None:
        """Pictures, texts and histograms, if they are due; `last`: training ends with this step."""
        if not self._due(learner.step, last):
            return
        with self._stopwatch.spending("writing"):
            write_pictures(self._metrics, learner.step, self._games, learner.network)
        self._drawn_at = learner.step, time.monotonic()

    def _details(self, loop: TrainingLoop, batch: Batch) -> dict[str, float]:
        """What costs too much for every row."""
        row = {
            **self._games.row(),
            **leak_row(loop.learner.network, batch.positions),
            **self._actors.row(),
            **self._stopwatch.row((loop.waiting, *PARTS)),
        }
        if self._games.games:
            row["value/calibration_error"] = calibration(*self._games.values_and_scores()).error
        return row

    def _due(self, step: int, last: bool) -> bool:
        now = time.monotonic()
        if self._drawn_at is None:
            return last or now - self._started >= FIRST_SECONDS
        waited = now - self._drawn_at[1] >= 60 * self._settings.log.pictures_minutes
        return (last or waited) and self.share < BUDGET and self._drawn_at[0] != step


def write_pictures(metrics: Metrics, step: int, games: RecentGames, network: Network) -> None:
    """Write every picture, text and histogram of a run at learner step `step`."""
    for record in games.samples:
        tag = "games/decisive" if record.outcome else "games/drawn"
        metrics.picture(tag, picture_of_record(record, partial(policy_now, network)), step)
    if games.games:
        metrics.picture("games/openings", picture_of_openings(games.games), step)
        metrics.picture("games/calibration", picture_of_calibration(*games.values_and_scores(), len(games.games)), step)
    if standings := read_standings(metrics.folder.path):
        metrics.picture("evaluation/ladder", picture_of_ladder({"": standings}), step)
    if games.samples:
        run = metrics.folder.path.name
        pgns = [to_pgn(record, run).accept(StringExporter(columns=100)) for record in games.samples]
        metrics.text("games/pgn", "\n\n".join(f"```\n{pgn}\n```" for pgn in pgns), step)
    for name, parameter in network.named_parameters():
        metrics.histogram(f"weights/{name}", parameter.detach(), step)
        if parameter.grad is not None:
            metrics.histogram(f"gradients/{name}", parameter.grad, step)
