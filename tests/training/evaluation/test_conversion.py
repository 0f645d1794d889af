"""Won endings: legal starts, the defender, and counted mates."""

import chess
import numpy as np
import pytest

from agent import rules, vocabulary
from agent.players.alphabeta import AlphaBetaPlayer
from agent.players.player import Choice, RandomPlayer
from agent.rules import Games
from tests.agent.rules.oracle import push
from training.evaluation.conversion import ENDINGS, KingPlayer, convert, random_starts


@pytest.mark.parametrize("ending", ENDINGS)
def test_starts_are_legal_differ_and_hold_the_pieces_of_their_ending(ending: str) -> None:
    starts = random_starts(ending, 60, seed=3)
    assert len({start.tobytes() for start in starts}) > 55
    for start in starts:
        board = chess.Board(rules.to_fen(start))
        assert (board.is_valid(), board.turn, board.is_game_over()) == (True, chess.WHITE, False)
        assert board.occupied_co[chess.BLACK] == board.kings & board.occupied_co[chess.BLACK]
        kinds = sorted(piece.piece_type for piece in board.piece_map().values() if piece.color == chess.WHITE)
        assert kinds == sorted([*ENDINGS[ending], chess.KING])
        if ending == "kbb":
            assert min(board.bishops & chess.BB_LIGHT_SQUARES, board.bishops & chess.BB_DARK_SQUARES) > 0
    assert np.array_equal(starts, random_starts(ending, 60, seed=3))
    assert not np.array_equal(starts, random_starts(ending, 60, seed=4))


def test_the_defender_captures_or_heads_for_the_centre() -> None:
    """Every move is compared with a list made by python-chess."""

    def centre(square: chess.Square) -> float:
        return abs(chess.square_file(square) - 3.5) + abs(chess.square_rank(square) - 3.5)

    taken = 0
    for ending in ENDINGS:
        boards = []
        for start in random_starts(ending, 80, seed=5):
            board = chess.Board(rules.to_fen(start))
            board.turn = chess.BLACK
            if board.is_valid() and any(board.legal_moves):
                boards.append(board)
        moves = KingPlayer(1).choose(Games.from_boards(boards)).moves
        for board, index in zip(boards, moves.tolist(), strict=True):
            move = push(board.copy(), index)
            captures = [other for other in board.legal_moves if board.is_capture(other)]
            best = captures or list(board.legal_moves)
            assert move in best
            assert centre(move.to_square) == min(centre(other.to_square) for other in best)
            taken += bool(captures)
    assert taken > 5


def test_forced_mates_take_as_many_moves() -> None:
    one, two = "7k/8/6K1/8/8/8/8/1Q6 w - - 0 1", "7k/8/5K2/8/8/8/8/R7 w - - 0 1"
    for defender in (KingPlayer(0), RandomPlayer(0)):
        found = convert(AlphaBetaPlayer(4, 0), defender, rules.from_fen(one)[None], "kq")
        assert (found.mated, found.moves) == (1, 1.0)
        # 1. Kf7 Kh7 2. Rh1 mate is the only defence.
        found = convert(AlphaBetaPlayer(4, 0), defender, rules.from_fen(two)[None], "kr")
        assert (found.mated, found.moves) == (1, 2.0)


class _Script:
    """Plays moves from a list, in one game."""

    name = "script"

    def __init__(self, *moves: str, black: bool = False) -> None:
        self._moves, self._black = list(moves), black

    def choose(self, games: Games) -> Choice:
        move = vocabulary.from_uci(self._moves.pop(0), black=self._black)
        return Choice(np.array([move], np.uint16), np.zeros(1, np.float32))


def test_stalemates_captures_and_repetitions_are_no_mates() -> None:
    stalemate = convert(_Script("a6g6"), KingPlayer(0), rules.from_fen("7k/8/Q7/6K1/8/8/8/8 w - - 0 1")[None], "kq")
    assert (stalemate.mated, stalemate.moves) == (0, None)
    left = convert(_Script("e1d2"), KingPlayer(0), rules.from_fen("8/8/8/8/8/8/6k1/4K2R w - - 0 1")[None], "kr")
    assert left.mated == 0
    there_and_back = _Script(*["a1b1", "b1a1"] * 4)
    defender = _Script(*["h8h7", "h7h8"] * 4, black=True)
    assert convert(there_and_back, defender, rules.from_fen("7k/8/8/8/8/8/8/R3K3 w - - 0 1")[None], "kr").mated == 0
    assert len(there_and_back._moves) == 4  # the third time the position stands there
