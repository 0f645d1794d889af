"""The book: every line legal by python-chess, of one length, about even, and no two that end alike."""

import chess

from agent import vocabulary
from training.evaluation.openings import PLIES, book

WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 0}


def test_every_line_is_legal_and_ends_in_a_position_of_its_own_with_no_material_lost_for_good() -> None:
    ends = set()
    for line in book():
        board = chess.Board()
        for index in line:
            move = chess.Move.from_uci(vocabulary.to_uci(index, black=board.turn == chess.BLACK))
            assert move in board.legal_moves
            board.push(move)
        assert len(line) == PLIES
        balance = sum(WORTH[p.piece_type] * (1 if p.color else -1) for p in board.piece_map().values())
        assert abs(balance) <= 3, "at most a piece that is taken back with the next move"
        ends.add(board.epd())
    assert len(ends) == len(book()) >= 50
