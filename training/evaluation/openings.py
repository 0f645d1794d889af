"""Openings of a match: well-known lines of eight plies, in which neither side has gone wrong yet, or random plies.
Random openings make games that one side has lost before it moves; the lines of the book measure players. Each opening
is played twice, with colours exchanged."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

import agent
from agent import vocabulary
from agent.rules import Games
from kernels.splitmix import mix
from selfplay.openings import random_opening
from training.evaluation.match_runner import Hooks

BOOK: Final = Path(agent.__file__).parent / "data" / "openings.json"
PLIES: Final = 8  # length of each line of the book
EXTRA_PLIES: Final = 2  # random plies after a book line played before: two deterministic agents would repeat its games


@functools.cache
def book() -> tuple[tuple[int, ...], ...]:
    """Every line as vocabulary indices, each seen by who moves."""
    lines = []
    for line in json.loads(BOOK.read_text()):
        board = chess.Board()
        moves = (board.push_san(san).uci() for san in line.split())
        lines.append(tuple(vocabulary.from_uci(move, black=ply % 2 == 1) for ply, move in enumerate(moves)))
    return tuple(lines)


@dataclass(frozen=True)
class Openings:
    """Openings by the number of a game; games 2 i and 2 i + 1 share one."""

    seed: int
    plies: int | None = None  # random plies; None: lines of the book, which the seed shuffles

    def length(self, game: int) -> int:
        """Plies of a game's opening."""
        if self.plies is not None:
            return self.plies
        return PLIES if game // 2 < len(book()) else PLIES + EXTRA_PLIES

    def moves(self, game: int) -> Sequence[int]:
        """Vocabulary indices of a game's opening."""
        number, lines = game // 2, book()
        key = int(mix(np.array([number + 1_000_003 * self.seed], np.int64))[0])
        if self.plies is not None:
            return random_opening(key, self.plies)
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
