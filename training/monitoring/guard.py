"""The collapse guard: judges self-play and the learner by the settings' thresholds, and raises alarms.

Chess learned from scratch seldom fails with an error. It drifts into draws, stops mating once material is won, or
learns a value that is the same for every move; docs/guard.md explains each figure. An alarm says which setting to
change.

Lifecycle: `game`, `batch` and `learned` feed it, `judge` once a row; `alarms` are those that are on, `news` is
everything it ever said.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from selfplay.record import GameRecord
from training.monitoring.figures import RecentGames, RecentRows
from training.monitoring.tags.tags import WATCHES
from training.replay import Batch
from training.settings import GuardSettings

WINDOW_GAMES: Final = 1000
"""Latest finished games that are judged; half of them make a figure count."""
WINDOW_ROWS: Final = 30
"""Latest rows of the log that are judged; two thirds of them make a figure count."""
GRACE_GAMES: Final = 3000
"""No alarm before so many games of a run: beginners cannot mate."""
MARGIN: Final = 0.2
"""An alarm ends when its figure is better than its threshold by this share."""


@dataclass(frozen=True)
class News:
    """Something that the guard said."""

    step: int
    """Learner step."""
    text: str


class Guard:
    """See the module.

    Args:
        settings: thresholds.
    """

    def __init__(self, settings: GuardSettings) -> None:
        self.settings = settings
        self.alarms: dict[str, float] = {}
        """Those that are on, by watch, with the figure that raised them."""
        self.news: list[News] = []
        """Since the start of the run, resumes included."""
        self.games = RecentGames(WINDOW_GAMES)
        self._rows = RecentRows(WINDOW_ROWS)
        self._seen = 0
        self._shown = 0

    def game(self, record: GameRecord) -> None:
        """A finished game arrived."""
        self._seen += 1
        self.games.add(record)

    def batch(self, batch: Batch) -> None:
        """The learner trained on this batch."""
        self._rows.batch(batch)

    def learned(self, means: dict[str, float], spread: float | None) -> None:
        """What was learned since the last row.

        Args:
            means: of the batches, by tag.
            spread: of values within a position, see `figures.value_spread`; None if it was not taken.
        """
        self._rows.add(means, spread)

    def figures(self) -> dict[str, float]:
        """Every figure that has enough evidence, by watch."""
        return self.games.figures(WINDOW_GAMES // 2) | self._rows.figures(max(2 * WINDOW_ROWS // 3, 1))

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
                why = f"{tag.cause.name}; {tag.cause.advice}" if tag.cause else ""
                shown = f"{tag.name} is {tag.show(figure)} (healthy: {tag.healthy})"
                self.news.append(News(step, f"alarm {name}: {shown}: {why}"))
            elif name in self.alarms and tag.limited(threshold + margin).fits(figure):
                del self.alarms[name]
                self.news.append(News(step, f"alarm {name} is over: {tag.show(figure)}"))
        row = {f"guard/{name}": figure for name, figure in figures.items()}
        row |= {f"guard/alarm/{name}": float(name in self.alarms) for name in WATCHES}
        row["guard/alarm"] = float(len(self.alarms))
        return row

    def unshown(self) -> list[News]:
        """News since the last call."""
        news, self._shown = self.news[self._shown :], len(self.news)
        return news

    def state(self) -> dict[str, Any]:
        """What a resumed run needs; plain JSON. The windows fill anew."""
        return {"seen": self._seen, "alarms": self.alarms, "news": [asdict(news) for news in self.news]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._seen, self.alarms = int(state["seen"]), dict(state["alarms"])
        self.news = [News(**news) for news in state["news"]]
        self._shown = len(self.news)
