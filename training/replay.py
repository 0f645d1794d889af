"""The replay: a bounded window of plies from whole games, sampled uniformly.

Lifecycle: `add` games as they come (a second copy of a game is dropped by its id), `sample` batches, `state`
and `restore` for checkpoints. Capacity is counted in plies; the oldest plies go first. Not thread-safe.

Shapes: T plies of a game, B sampled plies, S stored plies.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.rules import Termination
from selfplay.record import GameRecord


@dataclass(frozen=True)
class Targets:
    """What a game teaches about each of its T plies, seen from the side to move."""

    wins_draws_losses: NDArray[np.float32]
    """[T, 3] the result as probabilities of win, draw, loss."""
    advantages: NDArray[np.float32]
    """[T] how much better the game went after the move than expected before it, in expected score."""


@dataclass(frozen=True)
class Batch:
    """B plies drawn from the replay."""

    positions: NDArray[np.uint64]
    moves: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    wins_draws_losses: NDArray[np.float32]
    advantages: NDArray[np.float32]
    versions: NDArray[np.int32]


def white_score(record: GameRecord, adjudication: float) -> float:
    """Expected score of White at the end, -1..1: the result, or for a capped game a weak guess from material.

    A queen up counts tanh(9 / 6) = 0.9 of `adjudication`: enough to teach what material is worth, too little
    to make the agent stop short of mate.
    """
    if record.termination == Termination.CAPPED:
        return float(adjudication * np.tanh(record.balance / 6.0))
    return float(record.outcome)


def targets(record: GameRecord, *, adjudication: float, gae_lambda: float) -> Targets:
    """Value targets and advantages of a game's plies.

    Advantages are generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438, eq. 16) for two
    players in turn: with v[t] seen from the side to move, delta[t] = -v[t + 1] - v[t] and
    A[t] = delta[t] - lambda * A[t + 1]; behind the last ply stands the result. No discount.
    """
    plies = record.plies
    white = np.where(rules.is_black(record.positions), -1.0, 1.0)
    score = white_score(record, adjudication)
    results = score * white
    wins_draws_losses = np.stack([np.maximum(results, 0), 1 - np.abs(results), np.maximum(-results, 0)], axis=1)
    values = record.values.astype(np.float64)
    deltas = np.append(-values[1:], results[-1]) - values
    advantages = np.empty(plies)
    following = 0.0
    for ply in range(plies - 1, -1, -1):
        following = deltas[ply] - gae_lambda * following
        advantages[ply] = following
    return Targets(wins_draws_losses.astype(np.float32), advantages.astype(np.float32))


class Replay:
    """A ring of plies.

    Args:
        capacity: plies kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._columns: dict[str, NDArray[Any]] = {
            "positions": np.zeros((capacity, rules.WORDS), np.uint64),
            "moves": np.zeros(capacity, np.uint16),
            "log_probs": np.zeros(capacity, np.float32),
            "wins_draws_losses": np.zeros((capacity, 3), np.float32),
            "advantages": np.zeros(capacity, np.float32),
            "versions": np.zeros(capacity, np.int32),
        }
        self.added = 0
        """Plies ever added."""
        self.games = 0
        """Games ever added."""
        self._ids: dict[str, None] = {}

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, record: GameRecord, target: Targets) -> bool:
        """Add a game's plies; False (and nothing added) if a game with this id is here already."""
        if record.game in self._ids:
            return False
        self._ids[record.game] = None
        while len(self._ids) > self.capacity:  # no more games than plies can be in the window
            del self._ids[next(iter(self._ids))]
        rows = (self.added + np.arange(record.plies)) % self.capacity
        new: dict[str, NDArray[Any]] = {
            "positions": record.positions,
            "moves": record.moves,
            "log_probs": record.log_probs,
            "wins_draws_losses": target.wins_draws_losses,
            "advantages": target.advantages,
            "versions": record.versions,
        }
        for name, column in self._columns.items():
            column[rows] = new[name]
        self.added += record.plies
        self.games += 1
        return True

    def sample(self, batch_size: int, generator: np.random.Generator) -> Batch:
        """Draw plies uniformly, with replacement.

        Raises:
            ValueError: the replay is empty.
        """
        if len(self) == 0:
            raise ValueError("the replay is empty; add games before sampling")
        rows = generator.integers(len(self), size=batch_size)
        drawn = {name: column[rows] for name, column in self._columns.items()}
        drawn["moves"] = drawn["moves"].astype(np.int64)
        return Batch(**drawn)

    def mean_version(self) -> float:
        """Mean version of the stored plies; 0 when empty."""
        return float(self._columns["versions"][: len(self)].mean()) if len(self) else 0.0

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
        """Everything needed to go on: arrays (only the filled part) and plain values."""
        arrays = {name: column[: len(self)] for name, column in self._columns.items()}
        ids = np.frombuffer(bytes.fromhex("".join(self._ids)), np.uint8).reshape(-1, 16)
        return {**arrays, "ids": ids}, {"added": self.added, "games": self.games}

    def restore(self, arrays: dict[str, NDArray[Any]], values: dict[str, int]) -> None:
        """Take over a saved state.

        Raises:
            ValueError: it was saved with more plies than this capacity holds.
        """
        stored = len(arrays["moves"])
        if stored > self.capacity or stored != min(values["added"], self.capacity):
            raise ValueError(f"the saved replay of {stored} plies does not fit replay.capacity={self.capacity}")
        for name, column in self._columns.items():
            column[:stored] = arrays[name]
        self.added, self.games = values["added"], values["games"]
        self._ids = dict.fromkeys(bytes(row).hex() for row in arrays["ids"])
