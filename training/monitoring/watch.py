"""What the training loop tells those who watch: one object, a line here and there in the loop.

It keeps itself cheap: pictures are put off while all of this has cost more than `BUDGET` of the time so far. Every run
gets one set, though, be it ever so short.
"""

import time
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfplay.actor import GameBatch
from selfplay.pool import Pool
from selfplay.record import GameRecord
from training.durability.run_folder import RunFolder
from training.learner import Learner
from training.monitoring.about import flat_settings, how_to_read, settings_text, versions_text
from training.monitoring.actors import ActorTally
from training.monitoring.events import Events
from training.monitoring.leak import SAMPLE, leak_row
from training.monitoring.pictures.gallery import Gallery
from training.monitoring.pictures.recent_games import REMEMBERED, RecentGames
from training.monitoring.rates import Rates
from training.monitoring.ray_gauges import RayGauges
from training.monitoring.stopwatch import Stopwatch
from training.monitoring.tags.layout import layout
from training.settings import Settings

BUDGET: Final = 0.005
"""Share of the time above which no more pictures are drawn for a while: half of the 1 % that watching may cost."""
FIRST_SECONDS: Final = 60.0
"""Before the first pictures, so that they are within what a run of minutes may spend."""
DETAIL_SECONDS: Final = 10.0
"""Between rows that have everything: games and audit cost more than the rest, and actors and the learner's time come in
bursts that say nothing."""
COMPARED_BY: Final = [
    "evaluation/elo",
    "evaluation/score",
    "loss/value",
    "selfplay/decisive",
    "selfplay/positions_per_second",
]
"""Metrics that TensorBoard compares runs by."""


class Watch:
    """Watches one process of one run.

    Args:
        settings: of the run.
        folder: of the run.
        events: where everything goes.
    """

    def __init__(self, settings: Settings, folder: RunFolder, events: Events) -> None:
        self.stopwatch = Stopwatch()
        self.actors = ActorTally()
        self.rates = Rates()
        self.games = RecentGames()
        self.gauges: RayGauges | None = None
        """Where every row is shown to Ray too; None: nowhere."""
        self._settings = settings
        self._events = events
        self._gallery = Gallery(folder.path, events, searched=settings.selfplay.simulations > 0)
        # A process that plays the games itself never waits for them.
        self._waiting = "playing" if settings.selfplay.actors == 0 else "waiting"
        self._parts = (
            "learning",
            "sampling",
            self._waiting,
            "ingesting",
            "publishing",
            "evaluating",
            "saving",
            "writing",
        )
        self._new: deque[GameRecord] = deque(maxlen=REMEMBERED)
        self._looks = self._found = self._step = 0
        self._drawn_at: tuple[int, float] | None = None
        self._started = time.monotonic()
        self._detailed_at: float | None = None
        self._ended: float | None = None

    def begin(self, step: int) -> None:
        """Training starts at learner step `step`: write what is known from the start."""
        self._started = time.monotonic()
        self._step = step
        self.rates = Rates()
        self.stopwatch = Stopwatch()
        first = self._events.first_step
        with self.stopwatch.spending("writing"):
            self._events.layout(layout())
            self._events.hparams(flat_settings(self._settings), COMPARED_BY)
            self._events.text("run/how_to_read", how_to_read(), first)
            self._events.text("run/settings", settings_text(self._settings), first)
            self._events.text("run/versions", versions_text(), first)

    def collect(self, pool: Pool, *, wait: bool) -> list[GameBatch]:
        """`pool.collect`, with an eye on how long it takes and how much lay there."""
        with self.stopwatch.spending(self._waiting if wait else "ingesting"):
            batches = pool.collect(wait=wait)
        self._looks += 1
        self._found += len(batches)
        return batches

    def batch(self, batch: GameBatch, version: int) -> None:
        """One batch that arrived while `version` was the newest."""
        self.actors.add(batch, version)
        self.rates.add(plies=batch.statistics.plies, games=len(batch.records))

    def game(self, record: GameRecord) -> None:
        """A game that went into the replay."""
        self._new.append(record)

    def row(self, pool: Pool, learner: Learner, positions: NDArray[np.uint64]) -> dict[str, float]:
        """Scalars by tag since the last row.

        Args:
            pool: where games come from.
            learner: whose network is audited.
            positions: uint64 [B, WORDS] packed, just trained on.
        """
        now = time.monotonic()
        with self.stopwatch.spending("writing"):
            self.rates.add(steps=learner.step - self._step)
            self._step = learner.step
            row = {
                "selfplay/games_per_second": self.rates.per_second("games"),
                "selfplay/positions_per_second": self.rates.per_second("plies"),
                "learner/steps_per_second": self.rates.per_second("steps"),
                "system/queue": self._found / max(self._looks, 1),
            }
            self._looks, self._found = 0, 0
            if self._detailed_at is None or now - self._detailed_at >= DETAIL_SECONDS:
                row |= self._details(pool, learner, positions, now - (self._detailed_at or self._started))
                self._detailed_at = now
        return row

    def written(self, row: dict[str, float]) -> None:
        """A whole row that was written."""
        if self.gauges is not None:
            self.gauges.set(row)

    def draw(self, learner: Learner, *, last: bool = False) -> None:
        """Pictures, texts and histograms, if they are due.

        Args:
            learner: whose network is drawn.
            last: training ends with this step.
        """
        if not self._due(last) or (self._drawn_at is not None and self._drawn_at[0] == learner.step):
            return
        with self.stopwatch.spending("writing"):
            self._remember()
            self._gallery.write(learner.step, self.games, learner.network, learner.device)
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
        """What is not worth its time in every row; `seconds` since the last such row."""
        self._remember()
        row = {
            **self.games.row(),
            **leak_row(learner.network, positions[:SAMPLE], learner.device),
            **self.actors.row(max(seconds, 1e-9)),
            **self.stopwatch.row(self._parts),
        }
        if (fill := pool.batch_fill) is not None:
            row["system/batch_fill"] = fill
        return row

    def _remember(self) -> None:
        for record in self._new:
            self.games.add(record)
        self._new.clear()

    def _due(self, last: bool) -> bool:
        now = time.monotonic()
        if self._drawn_at is None:
            return last or now - self._started >= FIRST_SECONDS
        waited = now - self._drawn_at[1] >= 60 * self._settings.log.pictures_minutes
        return (last or waited) and self.share < BUDGET
