"""What captures win, compared with an exchange played out by python-chess."""

from collections.abc import Iterator

import chess
import numpy as np

from agent import rules, vocabulary
from agent.rules.exchange import wins_exchange
from tests.agent.positions import PERFT, TRICKY, harvest

WORTH = {
    chess.PAWN: 100, chess.KNIGHT: 320, chess.BISHOP: 330, chess.ROOK: 500, chess.QUEEN: 950, chess.KING: 20_000,
}  # fmt: skip


def wins_back(board: chess.Board, square: int, standing: int, everyone: int, color: chess.Color) -> int:
    """What `color` wins by capturing on `square`, where something worth `standing` stands, or by not doing so."""
    able = chess.SquareSet(board.attackers_mask(color, square, everyone) & everyone)
    if not able:
        return 0
    least = min(able, key=lambda place: (WORTH[board.piece_type_at(place) or 0], place))
    kind, others = board.piece_type_at(least), board.attackers_mask(not color, square, everyone) & everyone
    if kind == chess.KING and others:
        return 0
    left = everyone & ~chess.BB_SQUARES[least]
    return max(0, standing - wins_back(board, square, WORTH[kind or 0], left, not color))


def exchange(board: chess.Board, move: chess.Move) -> int:
    """An en passant capture counts as a quiet move, castling as the king's alone."""
    piece, taken = board.piece_type_at(move.from_square), board.piece_type_at(move.to_square)
    everyone = board.occupied & ~chess.BB_SQUARES[move.from_square]
    lost = wins_back(board, move.to_square, WORTH[piece or 0], everyone, not board.turn)
    return WORTH.get(taken or 0, 0) - lost


def positions() -> Iterator[chess.Board]:
    yield from map(chess.Board, [*PERFT, *TRICKY, *harvest(30, seed=31)])
    rng = np.random.default_rng(32)
    for _ in range(30):
        board = chess.Board()
        while board.ply() < 60 and not board.is_game_over():
            board.push(rng.choice(np.array(list(board.legal_moves), object)))
            if board.ply() % 5 == 0:
                yield board


def test_exchanges_are_those_of_a_played_out_one() -> None:
    """The worth is met exactly: it is won, and no more than it."""
    captures = quiet = 0
    for board in positions():
        position = rules.from_board(board)
        for move in board.legal_moves:
            index = np.int64(vocabulary.from_uci(move.uci(), black=not board.turn))
            if move.promotion:
                assert wins_exchange(position, index, np.int64(5000))
                continue
            worth = exchange(board, move)
            found = [wins_exchange(position, index, np.int64(worth + more)) for more in (-200, -1, 0, 1, 200)]
            assert found == [True, True, True, False, False], (board.fen(), move.uci(), worth)
            captures, quiet = captures + board.is_capture(move), quiet + (worth < 0)
    assert captures > 1500
    assert quiet > 1000
