"""A follower finds out which game a position belongs to, whatever moves come between."""

import chess
import numpy as np
import pytest

from agent.engine.board_sync import Follower


def random_move(board: chess.Board, generator: np.random.Generator) -> chess.Move:
    moves = list(board.legal_moves)
    return moves[generator.integers(len(moves))]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "r3k2r/pPpp1ppp/8/4pP2/8/8/P1PP2PP/R3K2R w KQkq e6 0 3"])
def test_a_game_is_followed_with_all_its_moves(fen: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    board, follower = chess.Board(fen), Follower()
    game = None
    while not board.is_game_over() and len(board.move_stack) < 200:
        found = follower.follow(chess.Board(board.fen()))
        assert found.move_stack == board.move_stack
        assert found.fen() == board.fen()
        assert game in (None, follower.game)
        game = follower.game
        move = random_move(board, generator)
        follower.play(move)
        board.push(move)
        if not board.is_game_over():
            board.push(random_move(board, generator))
    assert len(board.move_stack) > 20


def test_a_position_that_does_not_follow_is_another_game() -> None:
    follower = Follower()
    start = chess.Board()
    assert follower.follow(start).move_stack == []
    first = follower.game
    follower.play(chess.Move.from_uci("e2e4"))
    assert follower.follow(start).move_stack == []
    assert follower.game is not first
    follower.play(chess.Move.from_uci("e2e4"))
    other = chess.Board("rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 7 2")  # right but for its clock
    assert follower.follow(other).move_stack == []
    assert start.move_stack == other.move_stack == []  # what was handed in stays as it was


def test_a_move_that_is_not_legal_is_refused() -> None:
    follower = Follower()
    with pytest.raises(ValueError, match="no position"):
        follower.play(chess.Move.from_uci("e2e4"))
    follower.follow(chess.Board())
    with pytest.raises(ValueError, match="e2e5 is not legal in"):
        follower.play(chess.Move.from_uci("e2e5"))
