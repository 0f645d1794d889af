"""Where games begin: legal by python-chess, in the shares asked for, fixed by the seed."""

import chess
import numpy as np
import pytest

from agent import rules, vocabulary
from selfplay.book import PLIES, book
from selfplay.openings import random_opening
from selfplay.starts import Start, StartSettings, draw_start, random_endgame


def drawn(settings: StartSettings, count: int) -> list[Start]:
    draws = np.random.default_rng(5).integers(0, 2**63, (count, 2)).tolist()
    return [draw_start(settings, seed, draw) for seed, draw in draws]


def board_of(start: Start) -> chess.Board:
    """The position after the start, every move checked by python-chess."""
    board = rules.to_board(start.position)
    for index in start.moves:
        move = chess.Move.from_uci(vocabulary.to_uci(index, black=board.turn == chess.BLACK))
        assert move in board.legal_moves
        board.push(move)
    return board


def test_without_shares_the_opening_is_the_random_one() -> None:
    start = draw_start(StartSettings(opening_plies=6), 77, 2**63 + 4)
    assert start.moves == random_opening(77, (2**63 + 4) % 7)
    assert rules.to_fen(start.position) == chess.STARTING_FEN


def test_shares_are_kept_and_every_start_can_be_played_on() -> None:
    starts = drawn(StartSettings(opening_plies=2, book_share=0.3, endgame_share=0.2), 600)
    lines = set(book())
    endgames = [start for start in starts if rules.to_fen(start.position) != chess.STARTING_FEN]
    from_book = [start for start in starts if tuple(start.moves[:PLIES]) in lines]
    assert 0.13 < len(endgames) / 600 < 0.27
    assert 0.22 < len(from_book) / 600 < 0.38
    assert {len(start.moves) - PLIES for start in from_book} == {0, 1, 2}
    for start in starts:
        board = board_of(start)
        assert board.is_valid()
        assert board.outcome(claim_draw=True) is None


def test_endgames_are_legal_varied_and_often_against_a_bare_king() -> None:
    generator = np.random.default_rng(1)
    boards = [rules.to_board(random_endgame(generator)) for _ in range(200)]
    assert all(board.is_valid() and board.outcome() is None for board in boards)
    assert all(3 <= len(board.piece_map()) <= 8 for board in boards)
    bare = [min(mask.bit_count() for mask in board.occupied_co) == 1 for board in boards]
    assert 0.35 < np.mean(bare) < 0.65
    assert len({board.epd() for board in boards}) == len(boards)
    assert {board.turn for board in boards} == {chess.WHITE, chess.BLACK}


def test_one_seed_gives_the_same_start() -> None:
    settings = StartSettings(opening_plies=4, book_share=0.5, endgame_share=0.5)
    for one, two in zip(drawn(settings, 20), drawn(settings, 20), strict=True):
        assert one.moves == two.moves
        assert np.array_equal(one.position, two.position)


@pytest.mark.parametrize("shares", [(0.6, 0.6), (-0.1, 0.0)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="are shares of all games"):
        StartSettings(0, *shares)
