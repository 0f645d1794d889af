"""How strongly the agent plays, in words."""

import chess
import chess.pgn
import pytest

from agent.engine.agent import Agent
from agent.engine.limits import Clock, Control
from agent.engine.strength import Strength, strength_of
from agent.engine.thinker import Thinker
from agent.errors import InputError
from agent.play.level import MOST, Level, read_level
from agent.play.provenance import Source, write_source
from agent.play.replay import replay_game
from agent.play.sides import AgentSide
from tests.agent.search.evaluators import MaterialLeaves


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


CLOCK = Clock(29.4, 0.0)
"""Of which a move gets about a second."""


@pytest.mark.parametrize(
    ("level", "clock", "simulations", "seconds"),
    [
        (Level(simulations=20), None, 20, None),
        (Level(simulations=20), CLOCK, 20, 1.0),
        (Level(simulations=MOST), CLOCK, 1000, 1.0),
        (Level(simulations=20), Clock(0.0), 1, 0.0),
        (Level(seconds=0.1), None, 100, 0.1),
        (Level(seconds=0.1), CLOCK, 100, 0.1),
        (Level(seconds=30.0), CLOCK, 1000, 1.0),
        (Level(elo=900), CLOCK, strength_of(900).simulations, 1.0),
    ],
)
def test_a_clock_bounds_a_level(level: Level, clock: Clock | None, simulations: int, seconds: float | None) -> None:
    limits = level.limits(1000, clock)
    assert limits.simulations == pytest.approx(simulations, rel=0.01)
    assert limits.seconds == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(("level", "clock"), [(Level(simulations=3000), Clock(4.0)), (Level(seconds=0.03), None)])
def test_a_move_that_time_cut_short_says_what_was_done_and_is_found_again(level: Level, clock: Clock | None) -> None:
    """The speed was measured where it was a thousand times as high."""
    thinker = Thinker(MaterialLeaves(), megabytes=16)
    agent = Agent(thinker, "material", identity="sha256:0")
    game = chess.pgn.Game()
    game.setup("r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10")
    thinker._speed = 1e7
    chosen = AgentSide(agent, level).choose(game.board(), 0, clock, Control(), None)
    assert chosen.report is not None
    assert f", {chosen.report.simulations} of " in chosen.note
    game.add_variation(chosen.move, comment=chosen.note)
    write_source(game, chess.WHITE, Source("sha256:0"))
    done = replay_game(game, agent)
    assert (done.moves, done.no_note, done.differences) == (1, 0, ())
