"""What an Elo-like number means: the measured rungs, and what lies between them."""

import itertools
import json
import math
from pathlib import Path

import chess
import pytest

from agent.engine.agent import Agent
from agent.engine.strength import LEVELS, STRONGEST, WEAKEST, Rung, Strength, blunder, read_rungs, strength_of
from agent.rules import Games
from agent.vocabulary import to_uci
from benchmarks import levels
from tests.agent.standin import Scripted
from training.evaluation.ladder.rating import Pairing

RUNGS = [Rung(400.0, Strength(4, 1.0, 0.8)), Rung(1000.0, Strength(16, 0.4)), Rung(1800.0, Strength(1600))]


def test_a_rung_is_played_as_it_was_measured() -> None:
    for rung in RUNGS:
        assert strength_of(round(rung.elo), RUNGS) == rung.strength


def test_between_rungs_all_is_interpolated() -> None:
    assert strength_of(700, RUNGS) == Strength(8, 0.7, 0.4)
    assert strength_of(1400, RUNGS) == Strength(160, 0.2, 0.0)


def test_beyond_the_ladder_its_ends_hold() -> None:
    assert strength_of(-500, RUNGS) == RUNGS[0].strength
    assert strength_of(9999, RUNGS) == RUNGS[-1].strength


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
    games = Games(2)
    assert [
        to_uci(int(move), black=False) for move in levels.LevelPlayer(agent, Strength(8), 0).choose(games).moves
    ] == ["e2e4", "d2d4"]
    moves = levels.LevelPlayer(agent, Strength(8, 0.0, 1.0), 0).choose(Games(40)).moves
    assert len(set(moves.tolist())) > 8
    assert {to_uci(int(move), black=False) for move in moves} <= {move.uci() for move in chess.Board().legal_moves}


def test_games_with_the_same_weights_are_kept_others_dropped(tmp_path: Path) -> None:
    results = {
        (levels.label(one), "stockfish:1350"): Pairing(levels.label(one), "stockfish:1350", 3, 2, place)
        for place, one in enumerate(levels.RUNGS)
    }
    table = levels.table_of(results, "sha256:1", "an engine")
    path = tmp_path / "levels.json"
    path.write_text(json.dumps(table))
    assert levels.kept(path, "sha256:1") == results
    assert levels.kept(path, "sha256:2") == {}
    assert levels.kept(tmp_path / "none.json", "sha256:1") == {}
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
    found = [blunder(board, rate, seed) for board in boards for seed in (1, 2)]
    blunders = [move for move in found if move is not None]
    expected, spread = rate * len(found), math.sqrt(len(found) * rate * (1 - rate))
    assert abs(len(blunders) - expected) <= 5 * spread
    assert found == [blunder(board, rate, seed) for board in boards for seed in (1, 2)]
    for board, move in zip([board for board in boards for _ in (1, 2)], found, strict=True):
        assert move is None or board.is_legal(move)
    if rate == 1.0:
        assert len({move for move in blunders if move}) > 15  # not always the first of the list
