"""The collapse guard: watches what self-play and the learner come to, and raises an alarm. Plain Python, no actors.

Chess learned from scratch seldom fails with an error. It drifts into draws, stops mating once material is won, or
learns a value that says the same of every move; docs/guard.md has what each watch means. Figures are taken over
sliding windows: the latest games, and the latest rows of the log for what is learned.

Lifecycle: `game`, `batch`, `learned` and `spread` feed it, `judge` once a row; `alarms` are those that are on.
"""

from collections import deque
from dataclasses import asdict, dataclass, replace
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
    low: bool = True
    """Whether small figures are bad."""


WATCHES: Final[dict[str, Watch]] = {
    "decisive": Watch("only {:.1%} of the games are won: self-play collapses into draws"),
    "capped": Watch("{:.1%} of the games end by the ply cap", low=False),
    "mate_rate_ahead": Watch(
        "a side that is a rook or more ahead mates in only {:.1%} of the games: a material plateau"
    ),
    "value_gain": Watch("the value explains {:.1%} of what a constant leaves open: it has learned next to nothing"),
    "value_spread": Watch("values of a position's successors differ by only {:.4f}: the value is blind"),
    "entropy": Watch("the policy's entropy is only {:.2f} nats: it hardly explores"),
    "unique_openings": Watch("only {:.1%} of the games differ after their first plies: a repertoire of few openings"),
}
"""By name; `GuardSettings` has a threshold and a remedy of the same name for each."""


@dataclass(frozen=True)
class Alarm:
    """One watch whose figure is bad."""

    watch: str
    figure: float
    """When it was raised."""
    since: int
    """Learner step from before the trouble began, as far as the guard can tell; -1: it was never well."""
    raised: int
    """Learner step."""

    @property
    def sentence(self) -> str:
        """For people."""
        return WATCHES[self.watch].sentence.format(self.figure)


class GameFacts(NamedTuple):
    """What one game says."""

    step: int
    """Learner step at which it arrived."""
    won: bool
    capped: bool
    mated_ahead: bool | None
    """Whether the side that was far ahead to the end mated; None: neither was, or the other resigned."""
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
    # A game that was given up tells nothing of mating.
    told = ahead != 0 and record.termination != Termination.RESIGNED
    played = record.positions[: UNIQUE_PLIES + 1][-1:]
    return GameFacts(
        step,
        record.outcome != 0,
        record.termination == Termination.CAPPED,
        mated if told else None,
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
        self._games: deque[GameFacts] = deque(maxlen=settings.games)
        self._rows: deque[_Row] = deque(maxlen=settings.rows)
        self._seen = 0
        self._well: dict[str, int] = {}
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

    def judge(self, step: int) -> tuple[dict[str, float], list[str]]:
        """Raise and end alarms by the figures of this moment.

        Returns:
            The row's values by tag, and a sentence for each alarm that was raised or ended just now.
        """
        figures, news = self.figures(), []
        for name, figure in figures.items():
            threshold = float(getattr(self.settings, name))
            bad, better = self._bad(name, figure, threshold)
            if not bad:
                self._well[name] = step
            if bad and name not in self.alarms and self._seen >= self.settings.grace_games:
                since = min(self._well.get(name, -1), self._first_step(name) - 1)
                self.alarms[name] = Alarm(name, figure, since, step)
                news.append(f"alarm {name}: {self.alarms[name].sentence}")
            elif better and name in self.alarms:
                del self.alarms[name]
                news.append(f"alarm {name} is over: {figure:.3g}")
        row = {f"guard/{name}": figure for name, figure in figures.items()}
        row |= {f"guard/alarm/{name}": float(name in self.alarms) for name in WATCHES}
        row["guard/alarm"] = float(len(self.alarms))
        return row, news

    def start_anew(self, step: int) -> None:
        """The weights of learner step `step` are older ones that were well: what came before says nothing of them."""
        self._games.clear()
        self._rows.clear()
        self._well = dict.fromkeys(WATCHES, step)
        self.alarms = {name: replace(alarm, since=step) for name, alarm in self.alarms.items()}

    def state(self) -> dict[str, Any]:
        """What a resumed run needs; plain JSON. The windows fill anew."""
        return {"seen": self._seen, "well": self._well, "alarms": [asdict(alarm) for alarm in self.alarms.values()]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self._seen, self._well = int(state["seen"]), dict(state["well"])
        self.alarms = {alarm["watch"]: Alarm(**alarm) for alarm in state["alarms"]}

    def _bad(self, name: str, figure: float, threshold: float) -> tuple[bool, bool]:
        """Whether the figure calls for an alarm, and whether it ends one: between the two lies the margin."""
        margin = self.settings.margin * abs(threshold)
        if WATCHES[name].low:
            return figure < threshold, figure >= threshold + margin
        return figure > threshold, figure <= threshold - margin

    def _first_step(self, name: str) -> int:
        """Learner step of the oldest evidence for a figure."""
        window = self._rows if name in ("value_gain", "value_spread", "entropy") else self._games
        return window[0].step


def _entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """In nats, over the last axis."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -np.asarray((probabilities * logs).sum(-1))
