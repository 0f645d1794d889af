"""Games of a match as PGN, with what is needed to replay the agent's moves."""

from collections.abc import Callable, Container
from pathlib import Path

import chess
import chess.pgn
import numpy as np
from numpy.typing import NDArray

from agent import vocabulary
from agent.files import write_atomic
from agent.play.provenance import OPENING, Source, write_source


class MatchRecorder:
    """Hears the moves of `play_match` and writes its games.

    Args:
        games: how many.
        player: the first player's name; it has White in games 0, 2, 4 ...
        opponent: the other's.
        source: of the first player's moves; None: they cannot be replayed.
        opening_plies: moves of a game, by its number, that nobody chose.
    """

    def __init__(
        self, games: int, player: str, opponent: str, source: Source | None, opening_plies: Callable[[int], int]
    ) -> None:
        self._boards = [chess.Board() for _ in range(games)]
        self._opening_plies = opening_plies
        self._player, self._opponent, self._source = player, opponent, source

    def __call__(self, rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
        """See `match.Recorder`."""
        for row, move in zip(rows.tolist(), moves.tolist(), strict=True):
            board = self._boards[row]
            board.push(chess.Move.from_uci(vocabulary.to_uci(move, black=board.turn == chess.BLACK)))

    def to_pgn(self, only: Container[int] | None = None) -> str:
        """All games begun, or `only` these; one that the cap on plies ended counts as a draw, as in the match."""
        games = []
        for row, board in enumerate(self._boards):
            if not board.move_stack or (only is not None and row not in only):
                continue  # the match ended before
            game = chess.pgn.Game.from_board(board)
            outcome = board.outcome(claim_draw=True)
            color = chess.WHITE if row % 2 == 0 else chess.BLACK
            names = {color: self._player, not color: self._opponent}
            game.headers["Event"] = "zeromass evaluate"
            game.headers["Round"] = str(row + 1)
            game.headers["White"], game.headers["Black"] = names[chess.WHITE], names[chess.BLACK]
            game.headers["Result"] = "1/2-1/2" if outcome is None else outcome.result()
            reason = "cap" if outcome is None else outcome.termination.name.lower().replace("_", " ")
            game.headers["Termination"] = reason
            game.headers[OPENING] = str(self._opening_plies(row))
            if self._source is not None:
                write_source(game, color, self._source)
            games.append(str(game))
        return "\n\n".join(games) + "\n"

    def write(self, path: Path, only: Container[int] | None = None) -> None:
        """Write the games to `path`, see `to_pgn`."""
        write_atomic(path, self.to_pgn(only).encode())
