"""The ladder of a run as `zeromass ladder` left it in the run folder, read leniently."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Rung:
    """One player of the ladder."""

    name: str
    elo: float
    low: float
    """Lower end of the 95 % interval; `elo` where none was written."""
    high: float
    games: int
    minutes: float | None
    """Training time of a checkpoint; None for anchors."""


def read_ladder(folder: Path) -> list[Rung]:
    """The rungs in `folder/ladder.json`, the strongest first; none where it is missing, torn or without a table."""
    try:
        found = json.loads((folder / "ladder.json").read_text())
    except (OSError, ValueError):
        return []
    rungs = [rung for row in _rows(found) if (rung := _rung(row)) is not None]
    return sorted(rungs, key=lambda rung: -rung.elo)


def _rows(found: Any) -> list[Any]:
    """The table in whatever holds it."""
    if isinstance(found, list):
        return found
    standings = found.get("standings") if isinstance(found, dict) else None
    return standings if isinstance(standings, list) else []


def _rung(row: Any) -> Rung | None:
    if not isinstance(row, dict):
        return None
    try:
        elo = float(row["elo"])
        low, high = (float(row[key]) if row.get(key) is not None else elo for key in ("elo_low", "elo_high"))
        minutes = float(row["minutes"]) if row.get("minutes") is not None else None
        return Rung(str(row["player"]), elo, low, high, int(row.get("games") or 0), minutes)
    except (KeyError, TypeError, ValueError):
        return None
