"""When to stop: shares of a clock, and a search that says what the test wants, on a clock that the test moves."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.limits import SLICE, Budget, Clock, Control, Limits, allotted
from agent.engine.pace import Pace
from agent.search.thinking import Thinking

CLOCK, BUDGET = Limits(clock=Clock(60.0)), Budget(1.0, 3.0)


class Script:
    """A search of 1,000 nodes and one ply every tenth of a second; most nodes are below the best move."""

    def __init__(self, moves: str = "a", values: tuple[float, ...] = (0.5,), share: float = 0.9, mate: int = 0) -> None:
        self.moves, self.values, self.share, self.mate = moves, values, share, mate
        self.tenths = 0
        """Since the start; moves and values stay at their last."""

    @property
    def nodes(self) -> int:
        return 1000 * self.tenths

    @property
    def depth(self) -> float:
        return self.tenths

    def look(self, most: int) -> list[Any]:
        move, value = self.moves[: self.tenths][-1:], self.values[: self.tenths][-1]
        return [SimpleNamespace(move=move, value=value, nodes=self.share * self.nodes, mate=self.mate)][:most]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time."""
    now = [100.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    for module in ("limits", "pace"):
        monkeypatch.setattr(f"agent.engine.{module}.time", clock)
    return now


def answered(
    now: list[float], limits: Limits, script: Script, *, alone: bool = False, hit: int | None = None, stop: int = 99
) -> float:
    """Seconds until it answers; the pondered move is played after `hit` tenths, it is stopped after `stop`."""
    control = Control()
    pace = Pace(limits, control, BUDGET if limits.clock or limits.seconds else None, alone)
    while True:
        script.tenths += 1
        now[0] = control.started + script.tenths / 10 + 1e-9
        if script.tenths == hit:
            control.hit()
        if script.tenths == stop:
            control.stop()
        if pace.is_over(cast(Thinking, script)):
            return script.tenths / 10


def test_a_share_of_the_clock_is_cut_where_all_is_clear_and_stretched_where_it_is_not(now: list[float]) -> None:
    alternating, falling = "ab" * 20, tuple(0.9 - 0.05 * tenth for tenth in range(30))
    scripts = Script(), Script(share=0.2), Script(alternating, share=0.2), Script(alternating, falling, share=0.2)
    took = [answered(now, CLOCK, script) for script in scripts]
    assert took == sorted(took)
    assert took[0] < BUDGET.soft < took[2] < took[3] < BUDGET.hard
    assert answered(now, CLOCK, Script(alternating, tuple(1 - tenth for tenth in range(40)), share=0.0)) == BUDGET.hard


@pytest.mark.parametrize("moves", ["a", "ab" * 20])
def test_seconds_are_used_up_and_a_fixed_search_gets_its_share(now: list[float], moves: str) -> None:
    assert answered(now, Limits(seconds=3.0), Script(moves)) == BUDGET.hard
    assert answered(now, Limits(10**6, clock=Clock(60.0)), Script(moves)) == BUDGET.soft


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        (Limits(nodes=2500), 0.3),
        (Limits(depth=7), 0.7),
        (Limits(mate=3), 0.5),
        (Limits(nodes=2500, depth=2, clock=Clock(60.0)), 0.2),
        (Limits(infinite=True), 2.0),
    ],
)
def test_the_first_limit_counts_and_stop_before_all(now: list[float], limits: Limits, wanted: float) -> None:
    assert answered(now, limits, Script(), stop=20) == wanted
    assert answered(now, limits, Script(), stop=1) == 0.1


def test_a_mate_is_enough_if_it_is_short_enough(now: list[float]) -> None:
    assert answered(now, Limits(mate=3), Script(mate=5)) == 0.1
    assert answered(now, Limits(mate=3), Script(mate=7)) == 0.5


def test_the_only_move_is_played_at_once_on_the_clock(now: list[float]) -> None:
    assert answered(now, CLOCK, Script(), alone=True) == 0.1
    assert answered(now, Limits(seconds=3.0), Script(), alone=True) == 3.0


@pytest.mark.parametrize(
    ("limits", "late", "early"),
    [(Limits(seconds=3.0), 8.0, 3.1), (Limits(depth=7), 5.0, 0.7), (Limits(nodes=60_000), 6.0, 6.0)],
)
def test_limits_count_from_the_pondered_move_on(now: list[float], limits: Limits, late: float, early: float) -> None:
    limits = replace(limits, ponder=True)
    assert [answered(now, limits, Script(), hit=hit) for hit in (50, 1)] == [late, early]
    assert answered(now, limits, Script(), stop=90) == 9.0


def test_what_stayed_best_while_pondering_needs_less_time(now: list[float]) -> None:
    pondering = Limits(clock=Clock(60.0), ponder=True)
    took = [answered(now, pondering, Script(moves, share=0.6), hit=20) - 2.0 for moves in ("a", "ab" * 20)]
    assert took[0] < BUDGET.soft <= took[1]


def test_slices_end_at_the_limits(now: list[float]) -> None:
    script, control = cast(Any, Script()), Control()
    script.tenths = 2
    for limits, after, most in (
        (Limits(nodes=2030), 0.0, 30),
        (Limits(nodes=1000), 0.0, 1),
        (CLOCK, 2.9992, 200),
        (CLOCK, 9.0, 1),
        (CLOCK, 0.0, 500),
        (Limits(nodes=2030, ponder=True), 9.0, 500),
    ):
        pace = Pace(limits, control, None if limits.clock is None else BUDGET, alone=False)
        now[0] = control.started + after
        assert pace.most(script, 500) == most


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
