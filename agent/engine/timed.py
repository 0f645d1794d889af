"""A player that thinks a fixed time a move, as in matches against engines."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import chess
import numpy as np

from agent import rules, vocabulary
from agent.engine.limits import Limits
from agent.engine.thinker import Thinker
from agent.player import Choice
from agent.rules import Games


class TimedPlayer:
    """Thinks `seconds` about every move, on one core a game.

    Args:
        thinkers: as many games are thought about at once; they must not share scratch memory.
        seconds: a move.
    """

    def __init__(self, thinkers: Sequence[Thinker], seconds: float) -> None:
        self._thinkers = list(thinkers)
        self._limits = Limits(seconds=seconds)
        self._pool = ThreadPoolExecutor(len(self._thinkers))
        self.name = f"search:{seconds:g}s"
        self.simulations = 0
        """All simulations so far."""
        self.moves = 0
        """All moves so far."""

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        boards = [chess.Board(rules.to_fen(position)) for position in games.positions]
        moves, values = np.zeros(len(boards), np.uint16), np.zeros(len(boards), np.float32)

        def think(thinker: Thinker, rows: range) -> int:
            simulations = 0
            for row in rows:
                report = thinker.think(boards[row], self._limits, games=games.take([row]))
                best = report.lines[0]
                moves[row] = vocabulary.from_uci(best.move.uci(), black=boards[row].turn == chess.BLACK)
                values[row] = best.score
                simulations += report.simulations
            return simulations

        shares = [range(first, len(boards), len(self._thinkers)) for first in range(len(self._thinkers))]
        self.simulations += sum(self._pool.map(think, self._thinkers, shares))
        self.moves += len(boards)
        return Choice(moves, values)
