"""How strongly the agent plays: levels in words, and what an Elo-like number means: the measured rungs, and what lies
between them."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import chess
import pytest

from agent.engine.agent import Agent
from agent.engine.limits import Clock, Limits
from agent.errors import InputError
from agent.play.level import Level, read_level
from agent.play.strength import LEVELS, STRONGEST, WEAKEST, Rung, Strength, blunder, read_rungs, strength_of
from agent.rules import Games
from agent.vocabulary import to_uci
from benchmarks import levels
from tests.agent.standin import Scripted
from training.evaluation.ladder.standings import Pairing

RUNGS = [Rung(400.0, Strength(4, 1.0, 0.8)), Rung(1000.0, Strength(16, 0.4)), Rung(1800.0, Strength(1600))]


def test_rungs_as_measured_what_lies_between_and_the_ends_beyond() -> None:
    between = {700: Strength(8, 0.7, 0.4), 1400: Strength(160, 0.2, 0.0)}
    wanted = {round(rung.elo): rung.strength for rung in RUNGS} | between
    wanted |= {-500: RUNGS[0].strength, 9999: RUNGS[-1].strength}
    assert {elo: strength_of(elo, RUNGS) for elo in wanted} == wanted


def test_the_measured_ladder_rises_and_the_range_is_within_it() -> None:
    table = json.loads(LEVELS.read_text())
    rungs = read_rungs(table)
    assert all(one.elo < other.elo for one, other in itertools.pairwise(rungs))
    assert rungs[0].elo <= WEAKEST < STRONGEST <= rungs[-1].elo
    levels = [strength_of(elo) for elo in range(WEAKEST, STRONGEST + 1, 50)]
    for one, other in itertools.pairwise(levels):
        assert one.simulations <= other.simulations
        assert one.temperature >= other.temperature
        assert one.blunder_rate >= other.blunder_rate
    assert levels[0].blunder_rate > 0.3  # a beginner, whatever the network knows
    assert {"date", "weights", "scale", "games", "others", "results"} <= table.keys()


def test_the_guide_shows_what_was_measured() -> None:
    table = json.loads(LEVELS.read_text())
    shown = levels.GUIDE.read_text().split(levels.MARKS[0])[1].split(levels.MARKS[1])[0]
    assert shown.strip() == levels.markdown(table)


def test_a_level_plays_as_it_was_measured() -> None:
    """`benchmarks.levels` plays legal moves, and at a level without blunders those of the search."""
    agent = Agent(Scripted("e2e4 d2d4", 0.0), "a script")

    def moves(strength: Strength, number: int) -> list[str]:
        chosen = levels.LevelPlayer(agent, strength, 0).choose(Games(number))
        return [to_uci(int(move), black=False) for move in chosen.moves]

    assert moves(Strength(8), 2) == ["e2e4", "d2d4"]
    blunders = set(moves(Strength(8, 0.0, 1.0), 40))
    assert len(blunders) > 8
    assert blunders <= {move.uci() for move in chess.Board().legal_moves}


def test_games_with_the_same_weights_are_kept_others_dropped(tmp_path: Path) -> None:
    results = {
        (levels.label(one), "stockfish:1350"): Pairing(levels.label(one), "stockfish:1350", 3, 2, place)
        for place, one in enumerate(levels.RUNGS)
    }
    table = levels.table_of(results, "sha256:1", "an engine")
    path = tmp_path / "levels.json"
    path.write_text(json.dumps(table))
    assert levels.kept(path, "sha256:1") == results
    assert levels.kept(path, "sha256:2") == levels.kept(tmp_path / "none.json", "sha256:1") == {}
    assert table["games"] == sum(pairing.games for pairing in results.values())
    rungs = read_rungs(table)
    assert rungs == [Rung(rungs[0].elo, levels.RUNGS[0])]  # each one weaker than the one before: left out


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_blunders_come_as_often_as_the_rate_says(rate: float) -> None:
    """200 positions by two seeds: within five standard deviations, and the same each time."""
    boards = []
    for first in chess.Board().legal_moves:
        board = chess.Board()
        board.push(first)
        for answer in list(board.legal_moves)[:10]:
            boards.append(board.copy())
            boards[-1].push(answer)
    cases = [(board, rate, seed) for board in boards for seed in (1, 2)]
    found = [blunder(*case) for case in cases]
    blunders = [move for move in found if move is not None]
    assert abs(len(blunders) - rate * len(found)) <= 5 * math.sqrt(len(found) * rate * (1 - rate))
    assert found == [blunder(*case) for case in cases]
    assert all(move is None or case[0].is_legal(move) for case, move in zip(cases, found, strict=True))
    if rate == 1.0:
        assert len(set(blunders)) > 15  # not always the first of the list


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
