"""alphabeta:N against a plain minimax over python-chess, which shares no code with it."""

import chess
import numpy as np
import pytest

from agent import rules, vocabulary
from agent.players.alphabeta import AlphaBetaPlayer
from agent.rules import Games
from tests.agent.positions import TRICKY
from tests.agent.rules.oracle import expected_material, push
from tests.agent.rules.test_games import random_positions

MATE = 10_000


def minimax(board: chess.Board, depth: int) -> int:
    """Material for the side to move, `depth` plies deep; who is mated after more plies has lost less."""
    if not any(board.legal_moves):
        return -MATE - depth if board.is_check() else 0
    if board.is_insufficient_material():
        return 0
    return max(values(board, depth).values()) if depth else expected_material(board)


def values(board: chess.Board, depth: int) -> dict[chess.Move, int]:
    """Of every legal move, `depth` plies deep."""
    found = {}
    for move in list(board.legal_moves):
        board.push(move)
        found[move] = -minimax(board, depth - 1)
        board.pop()
    return found


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_move_is_one_of_the_best_by_minimax(depth: int, seed: int) -> None:
    boards = [*map(chess.Board, TRICKY[::3]), *map(rules.to_board, random_positions(12, seed=5))]
    boards = [board for board in boards if any(board.legal_moves)]
    moves = AlphaBetaPlayer(depth, seed).choose(Games.from_boards(boards)).moves
    for board, index in zip(boards, moves, strict=True):
        found = values(board, depth)
        assert found[push(board.copy(), index)] == max(found.values()), board.fen()


def test_three_plies_see_through_an_exchange_and_the_faster_mate() -> None:
    board = chess.Board("3r2k1/5ppp/8/3p4/8/8/3R1PPP/3Q2K1 w - - 0 1")
    found = values(board, 3)
    choice = AlphaBetaPlayer(3, 0).choose(Games.from_boards([board]))
    assert found[push(board.copy(), choice.moves[0])] == max(found.values())
    assert choice.values[0] == pytest.approx(np.tanh(max(found.values()) / 6))
    mate = AlphaBetaPlayer(3, 0).choose(Games.from_boards([chess.Board("7k/8/6K1/8/8/8/8/R7 w - - 0 1")]))
    assert mate.moves[0] == vocabulary.from_uci("a1a8", black=False)  # the faster one


def test_equal_moves_are_chosen_among_by_chance() -> None:
    games = Games.from_boards([chess.Board()] * 200)
    moves = AlphaBetaPlayer(1, 3).choose(games).moves
    assert len(np.unique(moves)) == 20, "from the start every move leaves the balance as it is"
