"""What a ladder has played: `runs/NAME/ladder.json`, written after every part, read and extended by the next call."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.errors import InputError
from agent.files import write_atomic
from training.evaluation.conversion import Conversion

FILE: Final = "ladder.json"


@dataclass
class PairResult:
    """Games of two players so far, from the first one's side."""

    how: str
    """How the agent chose its moves, such as `64 simulations`."""
    seed: int
    """Of the openings: the pair goes on where they stopped."""
    first: str
    second: str
    games: int = 0
    wins: int = 0
    draws: int = 0
    losses: int = 0


@dataclass
class Results:
    """Everything played on one ladder."""

    path: Path
    pairs: list[PairResult] = field(default_factory=list)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By fingerprint: name, step, minutes."""
    conversions: list[dict[str, Any]] = field(default_factory=list)
    """How, seed and player, and what `Conversion.to_json` says."""

    @classmethod
    def read(cls, run: Path) -> "Results":
        """What the run folder holds; nothing yet is fine.

        Raises:
            InputError: the file is damaged.
        """
        path = run / FILE
        if not path.exists():
            return cls(path)
        try:
            tree = json.loads(path.read_bytes())
            pairs = [PairResult(**row) for row in tree["pairs"]]
            if any(pair.games != pair.wins + pair.draws + pair.losses for pair in pairs):
                raise ValueError("games that do not add up")
            return cls(path, pairs, dict(tree["snapshots"]), list(tree["conversions"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"ladder '{path}' is damaged ({error}); mend it, or remove it to play anew") from error

    def pair(self, how: str, seed: int, first: str, second: str) -> PairResult:
        """The result of a pair, an empty one where they have not met."""
        wanted = (how, seed, first, second)
        for pair in self.pairs:
            if (pair.how, pair.seed, pair.first, pair.second) == wanted:
                return pair
        self.pairs.append(PairResult(*wanted))
        return self.pairs[-1]

    def converted(self, how: str, seed: int, player: str, games: int) -> bool:
        """Whether the player has shown as many endings, chosen so."""
        wanted = {"how": how, "seed": seed, "player": player, "games": games}
        return any(all(row[key] == value for key, value in wanted.items()) for row in self.conversions)

    def keep_conversions(self, how: str, seed: int, player: str, found: list[Conversion]) -> None:
        """Put in place of what the player showed before."""
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
        """All but the place."""
        pairs = [asdict(pair) for pair in self.pairs if pair.games]
        return {"pairs": pairs, "snapshots": self.snapshots, "conversions": self.conversions}

    def write(self, told: dict[str, Any] | None = None) -> None:
        """Write the file; `told` (standings and their scale) goes first."""
        write_atomic(self.path, (json.dumps({**(told or {}), **self.to_json()}, indent=1) + "\n").encode())
