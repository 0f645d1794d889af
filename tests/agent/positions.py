"""Positions that move generators get wrong, and games that reach odd corners. Data for the tests of the rules."""

from collections.abc import Iterator
from typing import Final

import chess
import numpy as np

from tests.tables import table

START: Final = chess.STARTING_FEN

PERFT: Final = {fen: tuple(map(int, leaves.split())) for fen, leaves in table("perft")}
TRICKY: Final = tuple(fen for (fen,) in table("tricky"))
MOST_MOVES: Final = 10  # harvested positions have few moves, so that the trees below hundreds of them stay affordable


def harvest(number: int, seed: int) -> Iterator[str]:
    """`number` more tricky FENs from random games: each with a pin, check, en passant, promotion or castling."""
    rng = np.random.default_rng(seed)
    found: set[str] = set()
    while True:
        board = chess.Board()
        for _ in range(int(rng.integers(10, 260))):
            moves = list(board.legal_moves)
            if not moves:
                break
            captures = [move for move in moves if board.is_capture(move)]
            board.push(rng.choice(np.array(captures if captures and rng.random() < 0.4 else moves, object)))
        if is_tricky(board) and board.legal_moves.count() <= MOST_MOVES and board.fen() not in found:
            found.add(board.fen())
            yield board.fen()
            if len(found) == number:
                return


def is_tricky(board: chess.Board) -> bool:
    """Whether some rule other than how pieces move decides what is legal."""
    moves = list(board.legal_moves)
    special = any(move.promotion or board.is_castling(move) or board.is_en_passant(move) for move in moves)
    pinned = any(board.is_pinned(board.turn, square) for square in chess.scan_forward(board.occupied_co[board.turn]))
    return bool(moves) and (special or pinned or board.is_check())


def shuffled(rounds: int) -> chess.Board:
    """A queen up, after both kings walked there and back."""
    board = chess.Board("7k/8/8/8/8/8/8/KQ6 w - - 0 1")
    for uci in ("a1a2", "h8g8", "a2a1", "g8h8") * rounds:
        board.push_uci(uci)
    return board
