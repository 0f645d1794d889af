"""`BoardSync` recovers the moves of a game from positions, and notices that another game has begun."""

import random

import chess
import pytest

from agent.players.external import BoardSync


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "r3k2r/pPpp1ppp/8/4pP2/8/8/P1PP2PP/R3K2R w KQkq e6 0 3"])
def test_a_game_is_followed_with_all_its_moves(fen: str, seed: int) -> None:
    chance = random.Random(seed)
    board, sync, games = chess.Board(fen), BoardSync(), set[object]()
    while not board.is_game_over() and len(board.move_stack) < 200:
        found = sync.update(chess.Board(board.fen()))
        assert (found.move_stack, found.fen()) == (board.move_stack, board.fen())
        games.add(sync.game)
        move = chance.choice(list(board.legal_moves))
        sync.play(move)
        board.push(move)
        if not board.is_game_over():
            board.push(chance.choice(list(board.legal_moves)))
    assert len(games) == 1
    assert len(board.move_stack) > 20


def test_a_position_that_does_not_follow_is_another_game() -> None:
    sync = BoardSync()
    start = chess.Board()
    assert sync.update(start).move_stack == []
    first = sync.game
    sync.play(chess.Move.from_uci("e2e4"))
    assert sync.update(start).move_stack == []
    assert sync.game is not first
    sync.play(chess.Move.from_uci("e2e4"))
    other = chess.Board("rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 7 2")  # right but for its clock
    assert sync.update(other).move_stack == []
    assert start.move_stack == other.move_stack == []  # what was handed in stays as it was


def test_a_move_that_is_not_legal_is_refused() -> None:
    sync = BoardSync()
    with pytest.raises(ValueError, match="no position"):
        sync.play(chess.Move.from_uci("e2e4"))
    sync.update(chess.Board())
    with pytest.raises(ValueError, match="e2e5 is not legal in"):
        sync.play(chess.Move.from_uci("e2e5"))
