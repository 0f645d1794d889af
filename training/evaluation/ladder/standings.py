"""The games of a ladder, `runs/NAME/ladder.json`, and the ratings of its players on one Elo scale. The file is written
after every part of a pair's games and extended by the next call.

The ratings' model is that of Bradley and Terry (1952) on Elo's scale: a difference of d points makes the expected score
1 / (1 + 10^(-d / 400)), and a draw is half a win. Each pair gets one additional drawn game per hundred, so that a
player with only wins or only losses has a finite rating."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Column, Table

from agent.errors import InputError
from agent.files import save
from training.evaluation.conversion import ENDINGS, Conversion
from training.evaluation.match import MatchResult
from training.evaluation.opponents import anchor_of
from training.evaluation.sprt import expected_score

FILE: Final = "ladder.json"
_SCALE: Final = np.log(10) / 400
_PRIOR: Final = 0.01  # drawn games added to a pair, as a share of its games


@dataclass
class Pairing:
    """Games between two players so far, from the first one's side."""

    first: str
    second: str
    wins: int = 0
    draws: int = 0
    losses: int = 0
    how: str = ""  # how the agent chose its moves, such as `64 simulations`
    seed: int = 0  # of the openings: further games continue their numbering

    @property
    def games(self) -> int:
        """Number of games."""
        return self.wins + self.draws + self.losses

    def add(self, result: MatchResult) -> None:
        """Include further games."""
        self.wins += result.wins
        self.draws += result.draws
        self.losses += result.losses


@dataclass(frozen=True)
class Rating:
    """A player's rating in Elo with its 95 % interval, relative to the anchors."""

    player: str
    elo: float
    elo_low: float
    elo_high: float
    games: int
    score: float  # share of all its points, 0..1


def ratings(pairings: Sequence[Pairing], anchors: Mapping[str, float]) -> list[Rating]:
    """Maximum-likelihood ratings, best first. `anchors` are players with a given rating, whose intervals have no width.
    A ValueError where none of them played, or some player is connected to none."""
    names = sorted({name for pairing in pairings for name in (pairing.first, pairing.second)})
    place = {name: number for number, name in enumerate(names)}
    games, points = np.zeros((len(names), len(names))), np.zeros(len(names))
    for pairing in pairings:
        one, other = place[pairing.first], place[pairing.second]
        score = pairing.wins + pairing.draws / 2
        points[one] += score
        points[other] += pairing.games - score
        games[one, other] += pairing.games
        games[other, one] += pairing.games
    if not anchors.keys() & place.keys():
        raise ValueError("no anchor played a game, so the ratings have no zero; add games against one")
    if unconnected := sorted(set(names) - connected(pairings, anchors)):
        raise ValueError(f"{unconnected[0]} has no games that connect it with an anchor")
    free = np.array([number for number, name in enumerate(names) if name not in anchors], np.int64)
    elo = np.array([anchors.get(name, float(np.mean(list(anchors.values())))) for name in names])
    weights = games * (1 + _PRIOR)
    targets = points + 0.5 * _PRIOR * games.sum(1)
    for _ in range(100):
        expected = expected_score(elo[:, None] - elo[None, :])
        slopes = weights * expected * (1 - expected)
        gradient = (targets - (weights * expected).sum(1))[free] * _SCALE
        information = (np.diag(slopes.sum(1)) - slopes)[np.ix_(free, free)] * _SCALE**2
        # Newton's method. Far from the maximum the likelihood is flat, so a full step could diverge.
        step = np.clip(np.linalg.solve(information, gradient), -400, 400)
        elo[free] += step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    errors = np.zeros(len(names))
    errors[free] = np.sqrt(np.diag(np.linalg.inv(information)))
    played = games.sum(1)
    found = [
        Rating(name, float(elo[i]), float(elo[i] - 1.96 * errors[i]), float(elo[i] + 1.96 * errors[i]),
               int(played[i]), float(points[i] / played[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return sorted(found, key=lambda rating: -rating.elo)


def connected(pairings: Sequence[Pairing], anchors: Iterable[str]) -> set[str]:
    """The players whom games connect with an anchor, and the anchors."""
    found, before = set(anchors), 0
    while len(found) > before:
        before = len(found)
        for pairing in pairings:
            if pairing.games and (pairing.first in found or pairing.second in found):
                found |= {pairing.first, pairing.second}
    return found


@dataclass
class Results:
    """All results of one ladder."""

    path: Path
    pairs: list[Pairing] = field(default_factory=list)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)  # by fingerprint: name, step, minutes
    conversions: list[dict[str, Any]] = field(default_factory=list)  # `how seed player`, and `Conversion.to_json`

    @classmethod
    def read(cls, run: Path) -> "Results":
        """The results in a run folder; none if it has no file yet, an InputError where the file is damaged."""
        path = run / FILE
        if not path.exists():
            return cls(path)
        try:
            tree = json.loads(path.read_bytes())
            pairs = [Pairing(**{key: row[key] for key in row if key != "games"}) for row in tree["pairs"]]
            if [row["games"] for row in tree["pairs"]] != [pair.games for pair in pairs]:
                raise ValueError("games that do not add up")
            return cls(path, pairs, dict(tree["snapshots"]), list(tree["conversions"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"ladder '{path}' is damaged ({error}); repair it, or remove it to start again") from error

    def pair(self, how: str, seed: int, first: str, second: str) -> Pairing:
        """The result of a pair; an empty one is added where they have not played."""
        for pair in self.pairs:
            if (pair.how, pair.seed, pair.first, pair.second) == (how, seed, first, second):
                return pair
        self.pairs.append(Pairing(first, second, how=how, seed=seed))
        return self.pairs[-1]

    def converted(self, how: str, seed: int, player: str, games: int) -> bool:
        """Whether the player has played `games` of each ending in this way."""
        wanted = {"how": how, "seed": seed, "player": player, "games": games}
        return any(all(row[key] == value for key, value in wanted.items()) for row in self.conversions)

    def keep_conversions(self, how: str, seed: int, player: str, found: list[Conversion]) -> None:
        """Replace the player's earlier endings."""
        self.conversions = [row for row in self.conversions if (row["how"], row["player"]) != (how, player)]
        self.conversions += [{"how": how, "seed": seed, "player": player, **one.to_json()} for one in found]

    def conversion_of(self, how: str, player: str) -> dict[str, dict[str, float]]:
        """Share mated by defender and ending."""
        shares: dict[str, dict[str, float]] = {}
        for row in self.conversions:
            if (row["how"], row["player"]) == (how, player):
                shares.setdefault(row["defender"], {})[row["ending"]] = row["share"]
        return shares

    def to_json(self) -> dict[str, Any]:
        """Everything but the path."""
        pairs = [{**asdict(pair), "games": pair.games} for pair in self.pairs if pair.games]
        return {"pairs": pairs, "snapshots": self.snapshots, "conversions": self.conversions}

    def write(self, standings: Mapping[str, Any] | None = None) -> None:
        """Write the file, `standings` first; an InputError where that fails."""
        save(self.path, (json.dumps({**(standings or {}), **self.to_json()}, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Standing(Rating):
    """One player."""

    given: bool  # whether the Elo was given rather than estimated
    step: int | None
    minutes: float | None  # training time; None: not a snapshot, or not recorded
    conversion: dict[str, dict[str, float]]  # share of won endings mated, by defender and ending; empty: not played


@dataclass(frozen=True)
class Standings:
    """All players, best first."""

    how: str
    scale: str  # one sentence without a full stop: what fixes the scale
    rows: list[Standing]
    left_out: list[str]  # players that no game connects with the scale

    def to_json(self) -> dict[str, Any]:
        """The first keys of `ladder.json`."""
        return {"how": self.how, "scale": self.scale, "standings": [asdict(row) for row in self.rows]}


def standings_of(results: Results, how: str, conversion_how: str) -> Standings | None:
    """Fit one scale to all games that were played `how`; None: there are none."""
    played = [pair for pair in results.pairs if pair.how == how and pair.games]
    if not played:
        return None
    anchors, scale = _anchors(played, results)
    reached = connected(played, anchors)
    rows = []
    for rating in ratings([pair for pair in played if pair.first in reached], anchors):
        snapshot, ends = results.snapshots.get(rating.player, {}), results.conversion_of(conversion_how, rating.player)
        row = {**asdict(rating), "player": _name(results, rating.player), "given": rating.player in anchors}
        rows.append(Standing(**row, step=snapshot.get("step"), minutes=snapshot.get("minutes"), conversion=ends))
    left_out = {name for pair in played for name in (pair.first, pair.second)} - reached
    return Standings(how, scale, rows, sorted(_name(results, key) for key in left_out))


def table_of(standings: Standings) -> Table:
    """For people."""
    player = Column("player", min_width=max(len(row.player) for row in standings.rows))
    title = f"Ladder, {standings.how}; share of endings mated"
    table = Table(player, "Elo", "95 % interval", "games", "score", "minutes", title=title, title_justify="left")
    table.add_column(" ".join(ENDINGS).upper())
    for row in standings.rows:
        shares = row.conversion.get("king", {})
        mated = " ".join(f"{100 * shares[one]:.0f}" for one in ENDINGS) + " %" if len(shares) == len(ENDINGS) else ""
        interval = "given" if row.given else f"{row.elo_low:.0f} to {row.elo_high:.0f}"
        figures = f"{row.elo:.0f}", interval, str(row.games), f"{100 * row.score:.1f} %"
        table.add_row(row.player, *figures, "" if row.minutes is None else f"{row.minutes:.1f}", mated)
    return table


def _anchors(played: Sequence[Pairing], results: Results) -> tuple[dict[str, float], str]:
    """The players with a given rating, and what that makes of the scale."""
    names = {name for pair in played for name in (pair.first, pair.second)}
    given = {name: elo for name in sorted(names) if (elo := anchor_of(name)) is not None}
    if given:
        return given, f"Elo on Stockfish's scale, fixed by {', '.join(given)}"
    if "random" in names:
        return {"random": 0.0}, "Elo with random at 0; play a stockfish:ELO to have Stockfish's scale"
    oldest = min(names, key=lambda name: (results.snapshots.get(name, {}).get("step", float("inf")), name))
    return {oldest: 0.0}, f"Elo with {_name(results, oldest)} at 0, because neither Stockfish nor random played"


def _name(results: Results, key: str) -> str:
    return str(results.snapshots.get(key, {}).get("name", key))
