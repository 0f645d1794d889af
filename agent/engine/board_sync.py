"""Whose move it is in which game: one board with all its moves, made of the positions that come in."""

import chess


class Follower:
    """Follows one game through the positions in which its player is to move.

    Matches hand out positions; an engine wants the moves too, for draws by repetition and for what it remembers.
    """

    def __init__(self) -> None:
        self._board: chess.Board | None = None
        self.game = object()
        """Another object for each game: what python-chess wants to tell an engine of a new one."""

    def follow(self, position: chess.Board) -> chess.Board:
        """The position with the moves that led to it as far as they are known; another game's begins anew."""
        board = self._board
        if board is not None:
            for reply in list(board.legal_moves):
                board.push(reply)
                if _equal(board, position):
                    return board
                board.pop()
        self.game = object()
        self._board = position.copy(stack=False)
        return self._board

    def play(self, move: chess.Move) -> None:
        """Note the move that was chosen in the position last followed.

        Raises:
            ValueError: it is not legal there.
        """
        if self._board is None or not self._board.is_legal(move):
            raise ValueError(f"{move} is not legal in {self._board.fen() if self._board else 'no position'}")
        self._board.push(move)


def _equal(one: chess.Board, other: chess.Board) -> bool:
    return (
        one.board_fen() == other.board_fen()
        and one.halfmove_clock == other.halfmove_clock
        and one.epd(en_passant="legal") == other.epd(en_passant="legal")
    )
