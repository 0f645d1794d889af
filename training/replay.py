"""The replay buffer: a bounded window of plies from whole games, sampled uniformly.

Lifecycle: `add` games as they come (a second copy of a game is dropped by its id), `sample` batches. It comes back
after a restart by adding the same games again from the same place, see `durability.window`. Capacity is counted in
plies; the oldest plies go first. Not thread-safe.

Shapes: T plies of a game, B sampled plies, S stored plies."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.rules.layout import STATE
from agent.rules.record import CASTLING
from agent.vocabulary import MAX_LEGAL
from selfplay.record import GameRecord, RaggedPolicy
from training.targets import Targets

ENTRIES_PER_PLY: Final = 40  # policy entries that there is room for: self-play has 30 to 35 legal moves on average


@dataclass(frozen=True)
class Batch:
    """B plies drawn from the replay buffer."""

    positions: NDArray[np.uint64]  # [B, WORDS]
    moves: NDArray[np.int64]  # [B]
    log_probs: NDArray[np.float32]  # [B] under the policy that sampled the moves
    wdl: NDArray[np.float32]  # [B, 3]
    advantages: NDArray[np.float32]  # [B]
    versions: NDArray[np.int32]  # [B]
    policies: RaggedPolicy  # of the B plies


class ReplayBuffer:
    """Two rings: one of `capacity` plies, one of the entries of their improved policies, `entries_per_ply` on average.
    With 0 entries games are played without search, and all of their plies are kept. Otherwise plies without an improved
    policy are left out, and a window of positions with more legal moves than this holds fewer plies."""

    def __init__(self, capacity: int, *, entries_per_ply: int = 0) -> None:
        self.capacity, self._searched = capacity, entries_per_ply > 0
        self._columns: dict[str, NDArray[Any]] = {
            "positions": np.zeros((capacity, rules.WORDS), np.uint64),
            "moves": np.zeros(capacity, np.uint16),
            "log_probs": np.zeros(capacity, np.float32),
            "wdl": np.zeros((capacity, 3), np.float32),
            "advantages": np.zeros(capacity, np.float32),
            "versions": np.zeros(capacity, np.int32),
            # Where the ply's policy entries begin, counted over all entries ever added, and how many there are.
            "starts": np.zeros(capacity, np.int64),
            "counts": np.zeros(capacity, np.int32),
        }
        # At least one ply with the most legal moves there can be.
        entries = max(capacity * entries_per_ply, MAX_LEGAL) if self._searched else 0
        self._indices, self._probabilities = np.zeros(entries, np.uint16), np.zeros(entries, np.float16)
        self.added = self.games = self.entries_added = 0  # plies, games and policy entries ever added
        self.oldest = 0  # the first ply in the window, counted over all ever added
        self._ids: dict[str, None] = {}

    def __len__(self) -> int:
        return self.added - self.oldest

    def add(self, record: GameRecord, target: Targets) -> bool:
        """Add a game's plies; False (and nothing added) if a game with this id was added before. A ValueError where the
        game has improved policies, and there is no room for any."""
        if record.game in self._ids:
            return False
        if len(record.policies.indices) and not self._searched:
            raise ValueError("a game with improved policies needs a replay buffer with entries_per_ply above 0")
        self._ids[record.game] = None
        while len(self._ids) > self.capacity:  # no more games than plies can be in the window
            del self._ids[next(iter(self._ids))]
        counts = np.diff(record.policies.offsets)
        chosen = np.flatnonzero(counts) if self._searched else np.arange(record.plies)
        rows = (self.added + np.arange(len(chosen))) % self.capacity
        starts = self.entries_added + record.policies.offsets[:-1]
        new: dict[str, Any] = {**vars(record), **vars(target), "starts": starts, "counts": counts}
        for name, column in self._columns.items():
            column[rows] = new[name][chosen]
        if self._searched:
            entries = (self.entries_added + np.arange(len(record.policies.indices))) % len(self._indices)
            self._indices[entries] = record.policies.indices
            self._probabilities[entries] = record.policies.probabilities
        self.entries_added += len(record.policies.indices)
        self.added += len(chosen)
        self.games += 1
        self.oldest = max(self.oldest, self.added - self.capacity)
        lost = self.entries_added - len(self._indices)
        if self._searched and lost > 0:  # plies whose entries have been overwritten; starts ascend with the plies
            starts, plies = self._columns["starts"], range(self.oldest, self.added)
            self.oldest += bisect_left(plies, lost, key=lambda ply: starts[ply % self.capacity])
        return True

    def sample(self, batch_size: int, generator: np.random.Generator, mirrored: float = 0) -> Batch:
        """Draw plies uniformly, with replacement; a ValueError where the buffer is empty. A share `mirrored` of those
        without castling rights are mirrored left to right, their improved policies 0.0: the network's own is not
        symmetric, and is to stay as it is. Only for searched games: their moves are not mirrored."""
        if len(self) == 0:
            raise ValueError("the replay buffer is empty; add games before sampling")
        rows = generator.integers(self.oldest, self.added, size=batch_size) % self.capacity
        drawn = {name: column[rows] for name, column in self._columns.items()}
        starts, counts = drawn.pop("starts"), drawn.pop("counts")
        offsets = np.zeros(batch_size + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        entries = (np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)) % max(len(self._indices), 1)
        policies = RaggedPolicy(offsets, self._indices[entries], self._probabilities[entries])
        if mirrored:
            flipped = (drawn["positions"][:, STATE] & CASTLING == 0) & (generator.random(batch_size) < mirrored)
            images = drawn["positions"][flipped] = rules.flip_horizontal(drawn["positions"][flipped])
            listed, rows = rules.legal_moves(images)[0], np.repeat(flipped, counts)
            policies.indices[rows], policies.probabilities[rows] = listed[listed != rules.NO_MOVE], 0
        drawn["moves"] = drawn["moves"].astype(np.int64)
        return Batch(**drawn, policies=policies)

    def mean_version(self) -> float:
        """Mean version of the stored plies; 0 when empty."""
        rows = np.arange(self.oldest, self.added) % self.capacity
        return float(self._columns["versions"][rows].mean()) if len(self) else 0.0

    def start_at(self, added: int, games: int, entries_added: int) -> None:
        """Let an empty buffer begin as if so many plies, games and policy entries had been added and dropped."""
        self.added, self.games, self.entries_added, self.oldest = added, games, entries_added, added
