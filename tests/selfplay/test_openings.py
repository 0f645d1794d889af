"""Where games begin: legal by python-chess, of the length asked for, fixed by the seed."""

import chess
import pytest

from selfplay.openings import random_opening
from tests.agent.rules.oracle import after


def test_one_seed_gives_the_same_start() -> None:
    assert random_opening(5, 8) == random_opening(-5, 8) == random_opening(5, 8) != random_opening(6, 8)


@pytest.mark.parametrize("plies", [0, 1, 8, 64])
def test_openings_are_as_long_as_asked_and_the_game_goes_on(plies: int) -> None:
    boards = [after(chess.Board(), random_opening(seed, plies)) for seed in range(100)]
    for board in boards:
        assert board.ply() == plies
        assert board.outcome(claim_draw=True) is None
    assert len({board.fen() for board in boards}) >= min(100, 20**plies) * 0.9
