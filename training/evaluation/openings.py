"""Openings of a match: each is played twice, with colours exchanged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.rules import Games
from kernels.splitmix import mix
from selfplay.openings import random_opening
from training.evaluation.book import PLIES, book
from training.evaluation.match_runner import Hooks

EXTRA_PLIES: Final = 2
"""Random plies after a book line that was played before: two deterministic agents would repeat its games."""


@dataclass(frozen=True)
class Openings:
    """Openings by the number of a game; games 2 i and 2 i + 1 share one."""

    seed: int
    plies: int | None = None
    """Random plies; None: lines of the book, which the seed shuffles."""

    def length(self, game: int) -> int:
        """Plies of a game's opening."""
        if self.plies is not None:
            return self.plies
        return PLIES if game // 2 < len(book()) else PLIES + EXTRA_PLIES

    def moves(self, game: int) -> Sequence[int]:
        """Vocabulary indices of a game's opening."""
        number = game // 2
        key = int(mix(np.array([number + 1_000_003 * self.seed], np.int64))[0])
        if self.plies is not None:
            return random_opening(key, self.plies)
        lines = book()
        order = np.random.default_rng([self.seed, number // len(lines)]).permutation(len(lines))
        line = lines[order[number % len(lines)]]
        return random_opening(key, self.length(game) - len(line), after=line)

    def boards(self, games: Sequence[int], hooks: Hooks) -> Games:
        """`games` after their openings; the moves are reported."""
        boards = Games(len(games))
        for row, game in enumerate(games):
            rows: NDArray[np.int64] = np.array([row])
            for move in self.moves(game):
                moves = np.array([move], np.uint16)
                boards.play(moves, rows)
                hooks.moved(rows, moves)
        return boards
