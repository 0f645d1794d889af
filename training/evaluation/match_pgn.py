"""Games of a match as PGN, with the headers that `zeromass replay` needs."""

from collections.abc import Container
from pathlib import Path

import chess
import chess.pgn
import numpy as np
from numpy.typing import NDArray

from agent import vocabulary
from agent.files import write_atomic
from agent.play.provenance import OPENING, Source, write_source
from training.evaluation.openings import Openings


class MatchRecorder:
    """Collects the moves of a match and writes its games; called as `Hooks.moved`.

    `player` has White in games 0, 2, 4 ... `source` is that of its moves; None: they cannot be replayed.
    """

    def __init__(self, games: int, player: str, opponent: str, source: Source | None, openings: Openings) -> None:
        self._boards = [chess.Board() for _ in range(games)]
        self._openings = openings
        self._player, self._opponent, self._source = player, opponent, source

    def __call__(self, rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
        """Note moves [R] that were just played in games `rows` [R]."""
        for row, move in zip(rows.tolist(), moves.tolist(), strict=True):
            board = self._boards[row]
            board.push(chess.Move.from_uci(vocabulary.to_uci(move, black=board.turn == chess.BLACK)))

    def to_pgn(self, only: Container[int] | None = None) -> str:
        """All games that began, or `only` these; a game that reached the ply cap is a draw, as in the match."""
        games = []
        for row, board in enumerate(self._boards):
            if not board.move_stack or (only is not None and row not in only):
                continue  # the match ended before it
            game = chess.pgn.Game.from_board(board)
            outcome = board.outcome(claim_draw=True)
            color = chess.WHITE if row % 2 == 0 else chess.BLACK
            names = {color: self._player, not color: self._opponent}
            game.headers.update(
                Event="zeromass evaluate",
                Round=str(row + 1),
                White=names[chess.WHITE],
                Black=names[chess.BLACK],
                Result="1/2-1/2" if outcome is None else outcome.result(),
                Termination="cap" if outcome is None else outcome.termination.name.lower().replace("_", " "),
            )
            game.headers[OPENING] = str(self._openings.length(row))
            if self._source is not None:
                write_source(game, color, self._source)
            games.append(str(game))
        return "\n\n".join(games) + "\n"

    def write(self, path: Path, only: Container[int] | None = None) -> None:
        """Write the games to `path`, see `to_pgn`."""
        write_atomic(path, self.to_pgn(only).encode())
