"""The collapse guard: watches self-play and the learner, and raises an alarm that says which setting to change.

Chess learned from scratch seldom fails with an error. It drifts into draws, stops mating once material is won, or
learns a value that says the same of every move; docs/guard.md has what each watch means. Figures are taken over
sliding windows: the latest games, and the latest rows of the log for what is learned.

Lifecycle: `game`, `batch` and `learned` feed it, `judge` once a row; `alarms` are those that are on, `news` is
everything it ever said.
"""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.rules import Termination
from selfplay.record import GameRecord
from training.replay import Batch
from training.settings import GuardSettings

AHEAD: Final = 5
"""Pawns' worth (1, 3, 3, 5, 9) from which on a side is far ahead: a rook."""
HELD: Final = 4
"""Last positions over which it must have been ahead: two moves of each side, so that a trade under way is no lead."""
LEAST_OPEN: Final = 0.01
"""Nats between a constant and a perfect value below which its gain says nothing."""
UNIQUE_PLIES: Final = 8
"""Plies of play after which positions are compared."""


class Watch(NamedTuple):
    """What a figure means when it is bad."""

    sentence: str
    """Said when the alarm is raised; `{}` is the figure."""
    advice: str
    """What to change."""
    low: bool = True
    """Whether small figures are bad."""


_DECISIVE: Final = "raise selfplay.decisive_share or selfplay.simulations"
_BLIND: Final = "resume from an earlier checkpoint with a lower learner.learning_rate"
_VARIETY: Final = "raise selfplay.opening_plies or learner.entropy_bonus"
WATCHES: Final[dict[str, Watch]] = {
    "decisive": Watch("only {:.1%} of the games are won: self-play collapses into draws", _DECISIVE),
    "capped": Watch("{:.1%} of the games end by the ply cap", "raise selfplay.ply_cap or decisive_share", low=False),
    "mate_rate_ahead": Watch(
        "a side that is a rook or more ahead mates in only {:.1%} of the games: a material plateau",
        "raise selfplay.decisive_share or lower learner.adjudication",
    ),
    "value_gain": Watch("the value explains only {:.1%} of what a constant prediction leaves open", _BLIND),
    "value_spread": Watch("values of a position's successors differ by only {:.4f}", _BLIND),
    "entropy": Watch("the policy's entropy is only {:.2f} nats: it hardly explores", _VARIETY),
    "unique_openings": Watch("only {:.1%} of the games differ after their first plies", _VARIETY),
}
"""By name; `GuardSettings` has a threshold of the same name for each."""


@dataclass(frozen=True)
class Alarm:
    """One watch whose figure is bad."""

    watch: str
    figure: float
    """When it was raised."""
    raised: int
    """Learner step."""

    @property
    def sentence(self) -> str:
        """For people."""
        watch = WATCHES[self.watch]
        return f"{watch.sentence.format(self.figure)}; {watch.advice}"


@dataclass(frozen=True)
class News:
    """Something that the guard said."""

    step: int
    """Learner step."""
    text: str


class GameFacts(NamedTuple):
    """What one game says."""

    step: int
    """Learner step at which it arrived."""
    won: bool
    capped: bool
    mated_ahead: bool | None
    """Whether the side that was far ahead to the end mated; None: neither was."""
    key: int
    """Of the position after `UNIQUE_PLIES` plies of play, or of the last one if the game was shorter."""


class _Row(NamedTuple):
    """What was learned between two rows of the log."""

    step: int
    loss: float
    """Cross-entropy of the value with its targets, nats."""
    targets: NDArray[np.float64]
    """[3] mean target."""
    target_entropy: float
    """Mean entropy of the targets: what no value gets below."""
    entropy: float
    spread: float | None


def side_ahead(record: GameRecord) -> int:
    """The side that was far ahead over the last `HELD` positions and at the end: 1 White, -1 Black, 0 none."""
    last = record.positions[-HELD:]
    balances = np.append(rules.material(last) * np.where(rules.is_black(last), -1, 1), record.balance)
    return int(balances.min() >= AHEAD) - int(balances.max() <= -AHEAD)


def game_facts(record: GameRecord, step: int) -> GameFacts:
    """What `record`, which arrived at learner step `step`, says."""
    ahead = side_ahead(record)
    mated = record.termination == Termination.CHECKMATE and record.outcome == ahead
    played = record.positions[: UNIQUE_PLIES + 1][-1:]
    return GameFacts(
        step,
        record.outcome != 0,
        record.termination == Termination.CAPPED,
        mated if ahead else None,
        int(rules.keys(played)[0]),
    )


class Guard:
    """See the module.

    Args:
        settings: thresholds and windows.
    """

    def __init__(self, settings: GuardSettings) -> None:
        self.settings = settings
        self.alarms: dict[str, Alarm] = {}
        """Those that are on, by watch."""
        self.news: list[News] = []
        """Since the start of the run, resumes included."""
        self._games: deque[GameFacts] = deque(maxlen=settings.games)
        self._rows: deque[_Row] = deque(maxlen=settings.rows)
        self._seen = 0
        self._shown = 0
        self._targets = np.zeros(3)
        self._target_entropy = 0.0
        self._batches = 0

    def game(self, record: GameRecord, step: int) -> None:
        """A finished game arrived at learner step `step`."""
        self._seen += 1
        self._games.append(game_facts(record, step))

    def batch(self, batch: Batch) -> None:
        """The learner trained on this batch."""
        targets = batch.wdl.astype(np.float64)
        self._batches += 1
        self._targets += targets.mean(0)
        self._target_entropy += float(_entropies(targets).mean())

    def learned(self, step: int, means: dict[str, float], spread: float | None) -> None:
        """The row of learner step `step`.

        Args:
            step: of the learner.
            means: of the batches since the last row, by tag.
            spread: of values within a position, from `training.monitoring.spread`; None if it was not taken.
        """
        size = max(self._batches, 1)
        targets, least = self._targets / size, self._target_entropy / size
        self._rows.append(_Row(step, means["loss/value"], targets, least, means["policy/entropy"], spread))
        self._targets, self._target_entropy, self._batches = np.zeros(3), 0.0, 0

    def figures(self) -> dict[str, float]:
        """Every figure that has enough evidence, by watch."""
        found: dict[str, float] = {}
        games, rows, settings = self._games, self._rows, self.settings
        ahead = [game.mated_ahead for game in games if game.mated_ahead is not None]
        if len(games) >= settings.least_games:
            found["decisive"] = sum(game.won for game in games) / len(games)
            found["capped"] = sum(game.capped for game in games) / len(games)
            found["unique_openings"] = len({game.key for game in games}) / len(games)
        # Games with a lead are fewer, and a share of a tenth of the evidence is still sure to a few percent.
        if len(ahead) >= max(settings.least_games // 10, 1):
            found["mate_rate_ahead"] = sum(ahead) / len(ahead)
        spreads = [row.spread for row in rows if row.spread is not None]
        if len(spreads) >= settings.least_rows:
            found["value_spread"] = float(np.mean(spreads))
        if len(rows) >= settings.least_rows:
            found["entropy"] = float(np.mean([row.entropy for row in rows]))
            # A constant does best with the mean target. Targets that are all alike leave nothing to explain.
            constant = float(_entropies(np.mean([row.targets for row in rows], axis=0)))
            open_to_it = constant - float(np.mean([row.target_entropy for row in rows]))
            if open_to_it > LEAST_OPEN:
                found["value_gain"] = (constant - float(np.mean([row.loss for row in rows]))) / open_to_it
        return found

    def judge(self, step: int) -> dict[str, float]:
        """Raise and end alarms by the figures of this moment; the row's values by tag."""
        figures = self.figures()
        for name, figure in figures.items():
            threshold = float(getattr(self.settings, name))
            bad, better = self._bad(name, figure, threshold)
            if bad and name not in self.alarms and self._seen >= self.settings.grace_games:
                self.alarms[name] = Alarm(name, figure, step)
                self.news.append(News(step, f"alarm {name}: {self.alarms[name].sentence}"))
            elif better and name in self.alarms:
                del self.alarms[name]
                self.news.append(News(step, f"alarm {name} is over: {figure:.3g}"))
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
        return {
            "seen": self._seen,
            "alarms": [asdict(alarm) for alarm in self.alarms.values()],
            "news": [asdict(news) for news in self.news],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._seen = int(state["seen"])
        self.alarms = {alarm["watch"]: Alarm(**alarm) for alarm in state["alarms"]}
        self.news = [News(**news) for news in state["news"]]
        self._shown = len(self.news)

    def _bad(self, name: str, figure: float, threshold: float) -> tuple[bool, bool]:
        """Whether the figure calls for an alarm, and whether it ends one: between the two lies the margin."""
        margin = self.settings.margin * abs(threshold)
        if WATCHES[name].low:
            return figure < threshold, figure >= threshold + margin
        return figure > threshold, figure <= threshold - margin


def _entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """In nats, over the last axis."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -np.asarray((probabilities * logs).sum(-1))
