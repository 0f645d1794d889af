"""Shares of a clock: under every time control, a player that keeps to its shares never oversteps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.limits import SLICE, Clock, Limits, allotted

seconds = st.floats(0.0, 10_000.0)


@given(start=st.floats(0.2, 7200), increment=st.sampled_from([0.0, 0.01, 0.1, 2.0]), lag=st.floats(0.0, 0.03))
def test_a_whole_game_never_oversteps(start: float, increment: float, lag: float) -> None:
    """400 moves that each take the most that was allotted, one slice more, and a lag within the overhead."""
    remaining = start
    for _ in range(400):
        took = allotted(Limits(clock=Clock(remaining, increment), overhead=0.03))
        assert took is not None
        assert 0 <= took.soft <= took.hard
        used = took.hard + SLICE + lag
        if took.hard == 0.0 and increment < SLICE + lag:
            break  # only the overhead is left: the engine answers after one slice, as fast as it can
        assert used <= remaining or took.hard == 0.0
        remaining = remaining - used + increment


@given(remaining=seconds, increment=seconds, moves=st.integers(1, 100), overhead=st.floats(0.0, 5.0))
def test_shares_leave_the_overhead(remaining: float, increment: float, moves: int, overhead: float) -> None:
    share = allotted(Limits(clock=Clock(remaining, increment, moves), overhead=overhead))
    assert share is not None
    assert 0.0 <= share.soft <= share.hard <= 0.8 * max(remaining - overhead, 0.0)


def test_time_is_used() -> None:
    """A share too small would lose on the board: over a game, most of the clock is spent."""
    remaining, spent = 60.0, 0.0
    for _ in range(60):
        share = allotted(Limits(clock=Clock(remaining, 0.0)))
        assert share is not None
        remaining, spent = remaining - share.soft, spent + share.soft
    assert spent > 50.0
    share = allotted(Limits(clock=Clock(60.0, 0.0, 40)))
    assert share is not None
    assert (share.soft, share.hard) == pytest.approx((60 / 28, 4 * 60 / 28), rel=0.01)


@pytest.mark.parametrize(
    ("limits", "wanted"), [(Limits(seconds=1.0), 0.9 - SLICE), (Limits(seconds=0.05), 0.0), (Limits(), None)]
)
def test_other_limits(limits: Limits, wanted: float | None) -> None:
    budget = allotted(replace(limits, overhead=0.1))
    assert budget == (None if wanted is None else pytest.approx((wanted, wanted)))
