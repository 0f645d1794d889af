"""How strongly the agent plays, in words."""

from dataclasses import replace

import pytest

from agent.engine.limits import Clock, Limits
from agent.errors import InputError
from agent.play.level import Level, read_level
from agent.play.strength import Strength, strength_of


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


@pytest.mark.parametrize(
    ("level", "strength", "limits"),
    [
        (Level(simulations=7), Strength(7), Limits(7)),
        (Level(seconds=0.05), Strength(0), Limits(seconds=0.05)),
        (Level(elo=900), strength_of(900), Limits(strength_of(900).simulations)),
    ],
)
def test_limits_and_a_clock_beside_them(level: Level, strength: Strength, limits: Limits) -> None:
    assert level.strength == strength
    assert level.limits() == limits
    assert level.limits(Clock(29.4)) == replace(limits, clock=Clock(29.4), overhead=0.05)
