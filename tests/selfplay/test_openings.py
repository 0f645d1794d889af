"""Where games begin: legal by python-chess, in the shares asked for, fixed by the seed."""

import chess
import numpy as np
import pytest

from agent import rules
from selfplay import openings
from selfplay.openings import LEAD, MOST, Opening, decisive_opening, draw_opening, random_opening
from selfplay.settings import SelfplaySettings
from tests.agent.rules.oracle import expected_material, push


def drawn(settings: SelfplaySettings, count: int) -> list[Opening]:
    draws = np.random.default_rng(5).integers(0, 2**63, (count, 2)).tolist()
    return [draw_opening(settings, seed, draw) for seed, draw in draws]


def board_of(start: Opening) -> chess.Board:
    """The position after the start, every move checked by python-chess."""
    board = rules.to_board(start.position)
    for index in start.moves:
        push(board, index)
    return board


def test_shares_are_kept_and_every_start_can_be_played_on() -> None:
    starts = drawn(SelfplaySettings(opening_plies=2, endgame_share=0.2), 600)
    endgames = [start for start in starts if rules.to_fen(start.position) != chess.STARTING_FEN]
    assert 0.13 < len(endgames) / 600 < 0.27
    for start in starts:
        board = board_of(start)
        assert board.is_valid()
        assert board.outcome(claim_draw=True) is None


def test_endgames_are_legal_varied_and_often_against_a_bare_king() -> None:
    generator = np.random.default_rng(1)
    boards = [rules.to_board(openings.random_endgame(generator)) for _ in range(200)]
    assert all(board.is_valid() and board.outcome() is None for board in boards)
    assert all(3 <= len(board.piece_map()) <= 8 for board in boards)
    bare = [min(mask.bit_count() for mask in board.occupied_co) == 1 for board in boards]
    assert 0.35 < np.mean(bare) < 0.65
    assert len({board.epd() for board in boards}) == len(boards)
    assert {board.turn for board in boards} == {chess.WHITE, chess.BLACK}


def test_one_seed_gives_the_same_start() -> None:
    assert random_opening(5, 8) == random_opening(5, 8) != random_opening(6, 8)
    assert decisive_opening(-7) == decisive_opening(7) == decisive_opening(7) != decisive_opening(8)
    settings = SelfplaySettings(opening_plies=4, endgame_share=0.5)
    for one, two in zip(drawn(settings, 20), drawn(settings, 20), strict=True):
        assert one.moves == two.moves
        assert np.array_equal(one.position, two.position)


@pytest.mark.parametrize("least", [LEAD, 12, MOST])
def test_after_a_decisive_opening_the_side_to_move_is_as_far_ahead_as_asked_and_the_game_goes_on(least: int) -> None:
    boards = [board_of(Opening(rules.start(1)[0], decisive_opening(seed, least))) for seed in range(150)]
    for board in boards:
        assert expected_material(board) >= least
        assert board.outcome(claim_draw=True) is None
        assert board.ply() < openings.LONGEST
    # Either colour gets its lead.
    assert 0.3 < sum(board.turn == chess.WHITE for board in boards) / len(boards) < 0.7
    assert len({board.epd() for board in boards}) == len(boards)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_decisive_openings_come_as_often_as_asked_for_and_the_others_are_as_they_were(share: float) -> None:
    settings = SelfplaySettings(opening_plies=8, decisive_share=share)
    seeds = np.random.default_rng(1).integers(2**62, size=400).tolist()
    decisive, leads = 0, set()
    for seed in seeds:
        draw = 2**63 + seed // 3
        start = draw_opening(settings, seed, draw)
        opening = start.moves
        assert np.array_equal(start.position, rules.start(1)[0])
        if opening != random_opening(seed, draw % 9):
            asked = LEAD + draw % (MOST - LEAD + 1)
            assert opening == decisive_opening(seed, asked)
            leads.add(asked)
            decisive += 1
    assert decisive / len(seeds) == pytest.approx(share, abs=0.07 if 0 < share < 1 else 0)
    assert len(leads) == (MOST - LEAD + 1 if share else 0)
