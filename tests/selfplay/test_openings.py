"""Where games begin: legal by python-chess, in the shares asked for, fixed by the seed."""

import chess
import numpy as np
import pytest

from selfplay import openings
from selfplay.openings import LEAD, MOST, decisive_opening, draw_opening, random_opening
from selfplay.settings import SelfplaySettings
from tests.agent.rules.oracle import after, expected_material


def test_one_seed_gives_the_same_start() -> None:
    assert random_opening(5, 8) == random_opening(5, 8) != random_opening(6, 8)
    assert decisive_opening(-7) == decisive_opening(7) == decisive_opening(7) != decisive_opening(8)


@pytest.mark.parametrize("least", [LEAD, 12, MOST])
def test_after_a_decisive_opening_the_side_to_move_is_as_far_ahead_as_asked_and_the_game_goes_on(least: int) -> None:
    boards = [after(chess.Board(), decisive_opening(seed, least)) for seed in range(150)]
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
        opening = draw_opening(settings, seed, draw)
        if opening != random_opening(seed, draw % 9):
            asked = LEAD + draw % (MOST - LEAD + 1)
            assert opening == decisive_opening(seed, asked)
            leads.add(asked)
            decisive += 1
    assert decisive / len(seeds) == pytest.approx(share, abs=0.07 if 0 < share < 1 else 0)
    assert len(leads) == (MOST - LEAD + 1 if share else 0)
