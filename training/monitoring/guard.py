"""The collapse guard: judges self-play and the learner by the settings' thresholds, and raises alarms. Chess learned
from scratch seldom fails with an error. It drifts into draws, stops mating once material is won, or learns a value that
is the same for every move; docs/guard.md explains each figure. An alarm says which setting to change."""

from collections.abc import Callable
from typing import Any, Final

from selfplay.record import GameRecord
from training.attachment import Attachment
from training.loop import TrainingLoop
from training.monitoring.figures import RecentGames, RecentRows, value_spread
from training.monitoring.tags.tags import WATCHES
from training.replay import Batch
from training.settings import GuardSettings

WINDOW_GAMES, LEAST_GAMES = 1000, 500  # latest finished games that are judged; games that a figure needs to count
WINDOW_ROWS, LEAST_ROWS = 30, 20  # the same for rows of the log
GRACE_GAMES: Final = 3000  # no alarm before so many games of a run: beginners cannot mate
MARGIN: Final = 0.2  # an alarm ends when its figure is better than its threshold by this share


class Guard(Attachment):
    """See the module; `settings` are thresholds, and `say` gets a line for each alarm that is raised or ended."""

    name = "guard"

    def __init__(self, settings: GuardSettings, say: Callable[[str], None] = lambda line: None) -> None:
        self.settings = settings
        self.alarms: dict[str, float] = {}  # those that are on, by watch, with the figure that raised them
        self.news: list[dict[str, Any]] = []
        """Alarms raised and ended since the start of the run, resumes included: learner `step` and `text`."""
        self.games = RecentGames(WINDOW_GAMES)
        self.rows = RecentRows(WINDOW_ROWS)
        self._seen, self._say = 0, say

    def added(self, loop: TrainingLoop, record: GameRecord) -> None:
        """See `Attachment`."""
        self._seen += 1
        self.games.add(record)

    def stepped(self, loop: TrainingLoop, batch: Batch) -> None:
        """See `Attachment`."""
        self.rows.batch(batch)

    def row(self, loop: TrainingLoop, batch: Batch, row: dict[str, float]) -> None:
        """See `Attachment`; needs the means of the learner in `row`."""
        self.rows.add(row, value_spread(loop.learner.network, batch.positions))
        row |= self.judge(loop.learner.step)

    def figures(self) -> dict[str, float]:
        """Every figure that has enough evidence, by watch."""
        return self.games.figures(LEAST_GAMES) | self.rows.figures(LEAST_ROWS)

    def judge(self, step: int) -> dict[str, float]:
        """Raise and end alarms by the figures of this moment; the row's values by tag."""
        figures = self.figures()
        for name, figure in figures.items():
            threshold = float(getattr(self.settings, name))
            tag = WATCHES[name].limited(threshold)
            # Between the threshold and its margin an alarm that is on stays on, and no other is raised.
            margin = MARGIN * abs(threshold) * (1 if tag.limit == "low" else -1)
            if not tag.fits(figure) and name not in self.alarms and self._seen >= GRACE_GAMES:
                self.alarms[name] = figure
                why = f"{tag.cause.name}; {tag.cause.suggestion}" if tag.cause else ""
                shown = f"{tag.name} is {tag.show(figure)} (healthy: {tag.healthy})"
                self._announce(step, f"alarm {name}: {shown}: {why}")
            elif name in self.alarms and tag.limited(threshold + margin).fits(figure):
                del self.alarms[name]
                self._announce(step, f"alarm {name} is over: {tag.show(figure)}")
        row = {f"guard/{name}": figure for name, figure in figures.items()}
        row |= {f"guard/alarm/{name}": float(name in self.alarms) for name in WATCHES}
        row["guard/alarm"] = float(len(self.alarms))
        return row

    def state(self) -> dict[str, Any]:
        """What a resumed run needs; plain JSON. The windows fill anew."""
        return {"seen": self._seen, "alarms": self.alarms, "news": self.news}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._seen, self.alarms, self.news = int(state["seen"]), dict(state["alarms"]), list(state["news"])

    def _announce(self, step: int, text: str) -> None:
        self.news.append({"step": step, "text": text})
        self._say(f"guard, step {step:,}: {text}")
