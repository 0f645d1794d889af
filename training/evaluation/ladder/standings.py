"""Ratings of all players of a ladder on one Elo scale, and their table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Column, Table

from training.evaluation.conversion import ENDINGS
from training.evaluation.ladder.rating import Pairing, Rating, connected, ratings
from training.evaluation.ladder.results import Results
from training.evaluation.opponents import anchor_of


@dataclass(frozen=True)
class Standing(Rating):
    """One player."""

    given: bool
    """Whether the Elo was given rather than estimated."""
    step: int | None
    minutes: float | None
    """Training time; None: not a snapshot, or not recorded."""
    conversion: dict[str, dict[str, float]]
    """Share of won endings mated, by defender and ending; empty: not played."""


@dataclass(frozen=True)
class Standings:
    """All players, best first."""

    how: str
    scale: str
    """One sentence without a full stop: what fixes the scale."""
    rows: list[Standing]
    left_out: list[str]
    """Players that no game connects with the scale."""

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
        snapshot = results.snapshots.get(rating.player, {})
        rows.append(
            Standing(
                **{**asdict(rating), "player": _name(results, rating.player)},
                given=rating.player in anchors,
                step=snapshot.get("step"),
                minutes=snapshot.get("minutes"),
                conversion=results.conversion_of(conversion_how, rating.player),
            )
        )
    left_out = {name for pair in played for name in (pair.first, pair.second)} - reached
    return Standings(how, scale, rows, sorted(_name(results, key) for key in left_out))


def table_of(standings: Standings) -> Table:
    """For people."""
    endings = tuple(ENDINGS)
    player = Column("player", min_width=max(len(row.player) for row in standings.rows))
    title = f"Ladder, {standings.how}; share of endings mated"
    table = Table(player, "Elo", "95 % interval", "games", "score", "minutes", title=title, title_justify="left")
    table.add_column(" ".join(endings).upper())
    for row in standings.rows:
        shares = row.conversion.get("king", {})
        table.add_row(
            row.player,
            f"{row.elo:.0f}",
            "given" if row.given else f"{row.elo_low:.0f} to {row.elo_high:.0f}",
            str(row.games),
            f"{100 * row.score:.1f} %",
            "" if row.minutes is None else f"{row.minutes:.1f}",
            " ".join(f"{100 * shares[ending]:.0f}" for ending in endings) + " %" if len(shares) == len(endings) else "",
        )
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
