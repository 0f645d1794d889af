"""How strongly the agent plays, in words."""

import pytest

from agent.engine.limits import MOST_SIMULATIONS as MOST
from agent.engine.limits import Clock
from agent.engine.strength import Strength, strength_of
from agent.errors import InputError
from agent.play.level import Level, read_level


@pytest.mark.parametrize(
    ("text", "level", "says"),
    [
        ("400", Level(simulations=400), "400 simulations"),
        (" 7 Simulations", Level(simulations=7), "7 simulations"),
        ("2s", Level(seconds=2.0), "2 s a move"),
        ("0.5 seconds", Level(seconds=0.5), "0.5 s a move"),
        ("elo 1200", Level(elo=1200), "about 1200 Elo"),
        ("1200 elo", Level(elo=1200), "about 1200 Elo"),
    ],
)
def test_read(text: str, level: Level, says: str) -> None:
    assert read_level(text) == level
    assert str(level) == says
    assert read_level(str(level).removesuffix(" a move").removeprefix("about ")) == level


@pytest.mark.parametrize(
    "text", ["", "x", "0", "0s", "99999999", "1.5", "elo 5", "elo 1200 elo", "elo 1200.5", "-3", "4000s", "2 s s"]
)
def test_refused_with_a_sentence_that_quotes_it(text: str) -> None:
    with pytest.raises(InputError, match=repr(text)):
        read_level(text)


def test_budget() -> None:
    assert Level(simulations=7).strength(1000) == Strength(7)
    assert Level(seconds=0.5).strength(1000) == Strength(500)
    assert Level(seconds=0.001).strength(1) == Strength(1)
    assert Level(elo=900).strength(10**9) == Level(elo=900).strength(1) == strength_of(900)


@pytest.mark.parametrize(
    ("level", "left", "simulations", "seconds"),
    [
        (Level(simulations=20), None, 20, None),
        (Level(simulations=20), 29.4, 20, 1.0),
        (Level(simulations=MOST), 29.4, 1000, 1.0),
        (Level(seconds=0.1), None, 100, 0.1),
        (Level(seconds=0.1), 29.4, 100, 0.1),
        (Level(elo=900), 29.4, strength_of(900).simulations, 1.0),
    ],
)
def test_a_clock_bounds(level: Level, left: float | None, simulations: int, seconds: float | None) -> None:
    limits = level.limits(1000, None if left is None else Clock(left))
    assert limits.simulations == pytest.approx(simulations, rel=0.01)
    assert limits.seconds == (seconds and pytest.approx(seconds, abs=0.01))
