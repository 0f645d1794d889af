"""The games of a ladder: `runs/NAME/ladder.json`, written after every part and extended by the next call."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.errors import InputError
from agent.files import write_atomic
from training.evaluation.conversion import Conversion
from training.evaluation.ladder.rating import Pairing

FILE: Final = "ladder.json"


@dataclass
class Results:
    """All results of one ladder."""

    path: Path
    pairs: list[Pairing] = field(default_factory=list)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By fingerprint: name, step, minutes."""
    conversions: list[dict[str, Any]] = field(default_factory=list)
    """`how`, `seed` and `player`, with the keys of `Conversion.to_json`."""

    @classmethod
    def read(cls, run: Path) -> "Results":
        """The results in a run folder; none if it has no file yet.

        Raises:
            InputError: the file is damaged.
        """
        path = run / FILE
        if not path.exists():
            return cls(path)
        try:
            tree = json.loads(path.read_bytes())
            pairs = [_pairing(row) for row in tree["pairs"]]
            return cls(path, pairs, dict(tree["snapshots"]), list(tree["conversions"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
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
        """Write the file, `standings` first."""
        write_atomic(self.path, (json.dumps({**(standings or {}), **self.to_json()}, indent=1) + "\n").encode())


def _pairing(row: Mapping[str, Any]) -> Pairing:
    """A row of the file; a ValueError where the games do not add up."""
    pair = Pairing(**{key: value for key, value in row.items() if key != "games"})
    if row["games"] != pair.games:
        raise ValueError("games that do not add up")
    return pair
