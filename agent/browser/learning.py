"""A run as the page shows it: its snapshots, its curves in short, and its sample games. Only reads the run's folder."""

import contextlib
import functools
import json
import math
from pathlib import Path
from typing import Any, Final

from agent.engine.agent import Agent, load_agent
from agent.errors import InputError
from agent.notation import quote
from agent.runs import by_step, checkpoint_weights, find_run

NEWEST: Final = "newest"
_POINTS: Final = 120  # of a curve
_GAMES: Final = 30  # newest sample games that are listed
_KEPT: Final = 4  # agents that stay loaded
_CURVES: Final = {
    "score": "score",  # of matches.jsonl, the others are of log.jsonl
    "mass": "policy/invalid_mass_max",
    "checked": "policy/distributions_checked",
    "games": "selfplay/games_per_second",
}
_TORN: Final = (ValueError, RecursionError, KeyError, TypeError, AttributeError)  # what a torn line gives


class Learning:
    """The run `name`. An InputError where there is none."""

    def __init__(self, name: str) -> None:
        self.name, self.folder = name, find_run(name)
        self._snapshot = functools.lru_cache(_KEPT)(load_agent)
        self._newest = functools.lru_cache(1)(lambda _file: load_agent(run=name))  # again when the file is another

    def state(self) -> dict[str, Any]:
        """Snapshots, curves and sample games as JSON; what cannot be read is left out."""
        snapshots = sorted(self._snapshots(), key=lambda name: int(name.removeprefix("step-")))
        games = [path.stem for path in self._games()]
        curves = {"curves": self._curves(), "ladder": self._ladder()}
        return {"name": self.folder.name, "snapshots": snapshots, "games": games, **curves}

    def agent(self, name: str) -> Agent:
        """The agent with the weights of a snapshot, or of the newest checkpoint. Raises InputError: there is no such
        snapshot, or its weights cannot be used."""
        if name == NEWEST:
            return self._newest(next(iter(checkpoint_weights(self.folder)), None))
        if (weights := self._snapshots().get(name)) is None:
            raise InputError(f"snapshot {quote(name)} does not exist; choose one of the list")
        return self._snapshot(weights)

    def game(self, name: str) -> Path:
        """The file of a sample game, or of the newest. Raises InputError: there is none."""
        for path in self._games():
            if name in (NEWEST, path.stem):
                return path
        raise InputError(f"sample game {quote(name)} does not exist; wait until the run has written one")

    def _snapshots(self) -> dict[str, Path]:
        return {path.stem: path for path in by_step(self.folder / "weights", ".safetensors").values()}

    def _games(self) -> list[Path]:
        return sorted(self.folder.glob("games/*.pgn"), reverse=True)[:_GAMES]

    def _curves(self) -> dict[str, list[list[float]]]:
        """Points [step, value] of each curve."""
        found: dict[str, list[list[float]]] = {name: [] for name in _CURVES}
        for name in ("log.jsonl", "matches.jsonl"):
            with contextlib.suppress(OSError), (self.folder / name).open("rb") as file:
                for line in file:
                    with contextlib.suppress(*_TORN):
                        row = json.loads(line)
                        for curve, tag in _CURVES.items():
                            if math.isfinite(row.get(tag, math.nan)):
                                found[curve].append([int(row["step"]), float(row[tag])])
        thinned = {name: points[:: max(len(points) // _POINTS, 1)] for name, points in found.items()}
        return {name: [*points, *found[name][-1:]] for name, points in thinned.items()}

    def _ladder(self) -> list[list[float]]:
        """[step, Elo, lowest, highest] of each rated snapshot."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            standings = json.loads((self.folder / "ladder.json").read_bytes())["standings"]
            keys = ("step", "elo", "elo_low", "elo_high")
            return sorted([float(row[key]) for key in keys] for row in standings if row.get("step") is not None)
        return []
