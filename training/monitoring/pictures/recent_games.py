"""What is remembered of the games that arrived lately: enough for pictures, little enough for memory.

Shapes: N plies of all remembered games together.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent import rules
from selfplay.record import GameRecord
from training.monitoring.pictures.calibration import calibration

REMEMBERED: Final = 1000
"""Games."""
OPENING: Final = 12
"""Plies from the start that make two games the same opening."""


@dataclass(frozen=True)
class Glimpse:
    """One game, without its positions."""

    standard: bool
    """Whether it began from the standard start of chess."""
    given: int
    """Plies at its beginning that were not the policy's: by chance or from the book."""
    moves: NDArray[np.uint16]
    """All its moves from the start, the given ones too, as vocabulary indices seen from the side to move."""
    log_probs: NDArray[np.float32]
    """Of the moves that were not given, under what chose them."""
    values: NDArray[np.float32]
    """Before these moves, -1..1 for the side to move."""
    scores: NDArray[np.int8]
    """What the game brought that side: 1, 0 or -1."""
    outcome: int
    """1 White won, 0 drawn or capped, -1 Black won."""


class RecentGames:
    """The last games, and the newest whole records: the newest decisive and the newest drawn."""

    def __init__(self) -> None:
        self.glimpses: deque[Glimpse] = deque(maxlen=REMEMBERED)
        self._decisive: GameRecord | None = None
        self._drawn: GameRecord | None = None

    def add(self, record: GameRecord) -> None:
        """Remember a game; the oldest is forgotten."""
        black = rules.is_black(record.positions)
        scores = np.where(black, -record.outcome, record.outcome).astype(np.int8)
        moves = np.concatenate([record.opening, record.moves])
        standard = bool(np.array_equal(record.start, rules.start(1)[0]))
        self.glimpses.append(
            Glimpse(standard, len(record.opening), moves, record.log_probs, record.values, scores, record.outcome)
        )
        if record.outcome:
            self._decisive = record
        else:
            self._drawn = record

    @property
    def samples(self) -> list[GameRecord]:
        """At most two whole games to be shown: the newest decisive one first, then the newest drawn one."""
        return [record for record in (self._decisive, self._drawn) if record is not None]

    def row(self) -> dict[str, float]:
        """Scalars by tag; empty before the first game."""
        if not self.glimpses:
            return {}
        openings = {(glimpse.standard, glimpse.moves[:OPENING].tobytes()) for glimpse in self.glimpses}
        values, scores = self.values_and_scores()
        return {
            "selfplay/unique_openings": len(openings) / len(self.glimpses),
            "value/calibration_error": calibration(values, scores).error,
            "value/spread": float(values.std()),
        }

    def values_and_scores(self) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """[N] values, and [N] what the games brought."""
        values = np.concatenate([glimpse.values for glimpse in self.glimpses])
        return values, np.concatenate([glimpse.scores for glimpse in self.glimpses])
