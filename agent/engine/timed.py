"""A player that thinks a fixed time a move, as in matches under time control."""

import chess
import numpy as np

from agent import rules, vocabulary
from agent.engine.limits import Limits
from agent.engine.thinker import Thinker
from agent.players.player import Choice
from agent.rules import Games


class TimedPlayer:
    """Thinks `seconds` about every move, on one core, by a thinker that is not used elsewhere at the same time."""

    def __init__(self, thinker: Thinker, seconds: float) -> None:
        self._thinker, self._limits = thinker, Limits(seconds=seconds)
        self.name = f"search:{seconds:g}s"
        self.nodes, self.moves = 0, 0  # so far

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        moves, values = np.zeros(len(games), np.uint16), np.zeros(len(games), np.float32)
        for row, position in enumerate(games.positions):
            board = chess.Board(rules.to_fen(position))
            report = self._thinker.think(board, self._limits, games=games.take([row]))
            moves[row] = vocabulary.from_uci(report.best.move.uci(), black=board.turn == chess.BLACK)
            values[row] = report.best.score
            self.nodes += report.nodes
        self.moves += len(games)
        return Choice(moves, values)
