"""What the training loop shows of itself: rows for the dashboard, and pictures now and then.

It bounds its own cost: pictures wait while all of this has cost more than `BUDGET` of the time so far. Every run gets
one set, though, however short it is.
"""

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfplay.actor import GameBatch
from selfplay.pool import Pool
from training.durability.run_folder import RunFolder
from training.learner import Learner
from training.monitoring.about import flat_settings, how_to_read, settings_text, versions_text
from training.monitoring.actors import ActorTally
from training.monitoring.figures import RecentGames
from training.monitoring.leak import leak_row
from training.monitoring.metrics import Metrics
from training.monitoring.pictures.calibration import calibration
from training.monitoring.pictures.gallery import write_pictures
from training.monitoring.tags.layout import layout
from training.monitoring.timing import Rates, Stopwatch
from training.settings import Settings

BUDGET: Final = 0.005
"""Share of the time above which no more pictures are drawn for a while: half of the 1 % that monitoring may cost."""
FIRST_SECONDS: Final = 60.0
"""Before the first pictures, so that they stay within the budget of a run of minutes."""
DETAIL_SECONDS: Final = 10.0
"""Between rows that have everything: games and audit cost more than the rest, and the times of actors and learner come
in bursts."""
COMPARED_BY: Final = [
    "evaluation/elo",
    "evaluation/score",
    "loss/value",
    "guard/decisive",
    "selfplay/positions_per_second",
]
"""Metrics by which TensorBoard compares runs."""


class Watch:
    """Watches one process of one run.

    Args:
        settings: of the run.
        folder: of the run.
        metrics: where everything is written.
        games: the latest games; filled by their owner, the guard.
        say: gets a warning when a process's memory keeps growing.
    """

    def __init__(
        self, settings: Settings, folder: RunFolder, metrics: Metrics, games: RecentGames, say: Callable[[str], None]
    ) -> None:
        self.stopwatch = Stopwatch()
        self._settings = settings
        self._metrics = metrics
        self._games = games
        self._actors = ActorTally(say)
        self._rates = Rates()
        self._folder = folder.path
        # A process that plays the games itself never waits for them.
        self._waiting = "playing" if settings.selfplay.actors == 0 else "waiting"
        self._parts = (
            "learning", "sampling", self._waiting, "ingesting", "publishing", "evaluating", "saving", "writing",
        )  # fmt: skip
        self._collected = self._batches = self._plies = self._lag = self._step = 0
        self._entropy = 0.0
        self._drawn_at: tuple[int, float] | None = None
        self._started = time.monotonic()
        self._detailed_at: float | None = None
        self._ended: float | None = None

    def begin(self, step: int) -> None:
        """Training starts at learner step `step`: write what is known from the start."""
        self._started = time.monotonic()
        self._step = step
        self._rates = Rates()
        self.stopwatch = Stopwatch()
        first = self._metrics.first_step
        with self.stopwatch.spending("writing"):
            self._metrics.layout(layout())
            self._metrics.hparams(flat_settings(self._settings), COMPARED_BY)
            self._metrics.text("run/how_to_read", how_to_read(), first)
            self._metrics.text("run/settings", settings_text(self._settings), first)
            self._metrics.text("run/versions", versions_text(), first)

    def collect(self, pool: Pool, *, wait: bool) -> list[GameBatch]:
        """`pool.collect`, measuring how long it takes and how many batches were ready."""
        with self.stopwatch.spending(self._waiting if wait else "ingesting"):
            batches = pool.collect(wait=wait)
        self._collected += 1
        return batches

    def batch(self, batch: GameBatch, version: int) -> None:
        """One batch that arrived while `version` was the newest."""
        self._actors.add(batch, version)
        self._rates.add(plies=batch.statistics.plies, games=len(batch.records))
        self._batches += 1
        self._plies += batch.statistics.plies
        self._lag += version - batch.version
        self._entropy += batch.statistics.entropy_total

    def row(self, pool: Pool, learner: Learner, positions: NDArray[np.uint64]) -> dict[str, float]:
        """Scalars by tag since the last row.

        Args:
            pool: where games come from.
            learner: whose network is audited.
            positions: uint64 [B, WORDS] packed, just trained on.
        """
        now = time.monotonic()
        with self.stopwatch.spending("writing"):
            self._rates.add(steps=learner.step - self._step)
            self._step = learner.step
            row = {
                "selfplay/games_per_second": self._rates.per_second("games"),
                "selfplay/positions_per_second": self._rates.per_second("plies"),
                "learner/steps_per_second": self._rates.per_second("steps"),
                "system/queue": self._batches / max(self._collected, 1),
                **self._actors.memory_row(),
            }
            if self._plies:
                row["selfplay/entropy"] = self._entropy / self._plies
                row["system/version_lag"] = self._lag / self._batches
            self._collected = self._batches = self._plies = self._lag = 0
            self._entropy = 0.0
            if self._detailed_at is None or now - self._detailed_at >= DETAIL_SECONDS:
                row |= self._details(pool, learner, positions, now - (self._detailed_at or self._started))
                self._detailed_at = now
        return row

    def draw(self, learner: Learner, *, last: bool = False) -> None:
        """Pictures, texts and histograms, if they are due.

        Args:
            learner: whose network is drawn.
            last: training ends with this step.
        """
        if not self._due(last) or (self._drawn_at is not None and self._drawn_at[0] == learner.step):
            return
        with self.stopwatch.spending("writing"):
            write_pictures(self._folder, self._metrics, learner.step, self._games, learner.network)
        self._drawn_at = learner.step, time.monotonic()

    def end(self) -> None:
        """Training has ended: from here on the time does not count."""
        self._ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent on rows, pictures and text since training began."""
        return self.stopwatch.total["writing"]

    @property
    def share(self) -> float:
        """That, of the time since training began."""
        return self.seconds / max((self._ended or time.monotonic()) - self._started, 1e-9)

    def _details(self, pool: Pool, learner: Learner, positions: NDArray[np.uint64], seconds: float) -> dict[str, float]:
        """What costs too much for every row; `seconds` since the last such row."""
        row = {
            **self._games.row(),
            **leak_row(learner.network, positions),
            **self._actors.row(max(seconds, 1e-9)),
            **self.stopwatch.row(self._parts),
        }
        if self._games.games:
            row["value/calibration_error"] = calibration(*self._games.values_and_scores()).error
        if (fill := pool.batch_fill) is not None:
            row["system/batch_fill"] = fill
        return row

    def _due(self, last: bool) -> bool:
        now = time.monotonic()
        if self._drawn_at is None:
            return last or now - self._started >= FIRST_SECONDS
        waited = now - self._drawn_at[1] >= 60 * self._settings.log.pictures_minutes
        return (last or waited) and self.share < BUDGET
