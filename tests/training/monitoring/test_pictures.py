"""Recent games and the pictures of them, against brute force and python-chess."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.drawing import to_png
from agent.rules import Termination
from selfplay.record import GameRecord
from tests.agent.rules.oracle import push
from tests.training.records import record, standing
from training.evaluation.ladder.standings import Results, Standings
from training.monitoring.figures import RecentGames
from training.monitoring.pictures.calibration import calibration, picture_of_calibration
from training.monitoring.pictures.game import key_plies, likeliest, picture_of_record, white_values
from training.monitoring.pictures.ladder import picture_of_ladder, read_standings
from training.monitoring.pictures.openings import Node, colour, opening_tree, picture_of_openings


def games_of(*records: GameRecord) -> RecentGames:
    games = RecentGames(1000)
    for each in records:
        games.add(each)
    return games


def moves_of(each: GameRecord) -> list[chess.Move]:
    """Replayed by python-chess."""
    board = chess.Board()
    return [push(board, move) for move in [*each.opening.tolist(), *each.moves.tolist()]]


def uniform(positions: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The uniform policy over legal moves."""
    moves, counts = rules.legal_moves(positions)
    probabilities = np.zeros((len(positions), vocabulary.SIZE), np.float32)
    for row, count in enumerate(counts):
        probabilities[row, moves[row, :count]] = 1 / count
    return probabilities


def test_scores_are_those_of_the_side_to_move_and_values_are_shown_for_white() -> None:
    game = record(4, seed=5)
    assert white_values(game).tolist() == [v * s for v, s in zip(game.values.tolist(), (1, -1, 1, -1), strict=True)]
    games = games_of(record(5, seed=1, outcome=-1, termination=Termination.CHECKMATE))
    values, scores = games.values_and_scores()
    assert scores.tolist() == [-1, 1, -1, 1, -1]  # White moved first and lost
    assert values.tolist() == record(5, seed=1).values.tolist()


def test_games_from_elsewhere_are_no_openings() -> None:
    endgame = rules.from_fen("8/8/8/4k3/8/8/4P3/4K3 w - - 0 1")
    games = games_of(record(8, seed=1), record(8, seed=2, start=endgame))
    assert opening_tree(games.games).games == 1
    ElementTree.fromstring(picture_of_openings(games_of(record(8, start=endgame)).games))


def test_memory_is_bounded_and_samples_are_the_newest() -> None:
    games = RecentGames(4)
    for seed in range(3):
        games.add(record(4, seed=seed, outcome=1))
        games.add(record(4, seed=10 + seed))
    assert ([sample.seed for sample in games.samples], len(games.games)) == ([2, 12], 4)


def test_calibration_against_a_loop() -> None:
    generator = np.random.default_rng(0)
    values = generator.uniform(-1, 1, 500).astype(np.float32)
    values[:2] = -1, 1
    scores = generator.integers(-1, 2, 500)
    found = calibration(values, scores, bins=4)
    for row, (low, high) in enumerate([(-1, -0.5), (-0.5, 0), (0, 0.5), (0.5, 1.01)]):
        inside = [(v, s) for v, s in zip(values.tolist(), scores.tolist(), strict=True) if low <= v < high]
        assert found.counts[row] == len(inside)
        assert found.predicted[row] == pytest.approx(np.mean([v for v, _ in inside]), abs=1e-6)
        assert found.observed[row] == pytest.approx(np.mean([s for _, s in inside]))
    ten = calibration(values, scores)
    gaps = [ten.counts[row] / 500 * abs(ten.predicted[row] - ten.observed[row]) for row in range(10)]
    assert ten.error == pytest.approx(sum(gaps))
    # A perfect and a hopeless value.
    scores = np.array([1, 1, -1, 0])
    assert calibration(scores.astype(np.float32), scores).error == 0.0
    assert calibration(np.full(4, 0.95, np.float32), -np.ones(4, np.int64)).error == pytest.approx(1.95, abs=1e-6)


def test_the_opening_tree_against_python_chess() -> None:
    records = [record(8, seed=seed % 3, outcome=(1, 0, -1, 1)[seed % 4]) for seed in range(12)]
    root = opening_tree(games_of(*records).games, depth=3)
    wanted: dict[tuple[str, ...], list[int]] = {}
    for each in records:
        line = tuple(move.uci() for move in moves_of(each))
        for depth in range(4):
            wanted.setdefault(line[:depth], []).append(each.outcome)
    seen = {}
    waiting: list[tuple[tuple[str, ...], Node]] = [((), root)]
    while waiting:
        line, node = waiting.pop()
        seen[line] = (node.games, node.score)
        black = len(line) % 2 == 1
        waiting += [((*line, vocabulary.to_uci(move, black=black)), child) for move, child in node.children.items()]
    assert seen == {line: (len(outcomes), sum(outcomes)) for line, outcomes in wanted.items()}


def test_the_boards_shown_are_those_before_the_largest_swings() -> None:
    values = np.zeros(60)
    values[20:] = 0.9
    values[40:] = -0.5
    assert (key_plies(values, 3), key_plies(np.array([0.3]), 4)) == ([20, 40, 59], [0])
    for length in range(1, 40):
        plies = key_plies(np.random.default_rng(length).uniform(-1, 1, length), 4)
        assert (plies, plies[-1]) == (sorted(set(plies)), length - 1)
        assert len(plies) <= 4


def test_arrows_are_the_likeliest_legal_moves() -> None:
    game = record(7, seed=2)
    row = uniform(game.positions)[3].copy()
    assert all(rules.legal_moves(game.positions[3:4])[0][0].tolist().count(move) for move, _ in likeliest(row))
    row[game.moves[3]] = 0.9
    assert likeliest(row, 1)[0] == pytest.approx((game.moves[3], 0.9))


def test_every_picture_is_valid_svg_that_renders() -> None:
    records = [record(30, seed=seed, outcome=seed % 3 - 1) for seed in range(25)]
    games = games_of(*records, record(1, seed=99))
    values, scores = games.values_and_scores()
    endless = [standing("all won", 800, 300, math.inf, 1.0), standing("all lost", 0, -math.inf, 90, None)]
    rungs = [standing("random", 0, 0, 0, None), standing("a", 100, 50, 150, 0.5), standing("b", 300, 250, 360, 2)]
    pictures = [
        picture_of_record(records[0], uniform),
        picture_of_record(record(1, seed=99), uniform),
        picture_of_openings(games.games),
        picture_of_calibration(values, scores, 26),
        *(picture_of_ladder({"": players}) for players in (rungs, rungs[1:2], rungs[:1], endless)),
    ]
    for svg in pictures:
        assert "nan" not in re.sub(r">[^<]*<", "><", svg), svg[:300]
        ElementTree.fromstring(svg)
        assert to_png(svg, 1).startswith(b"\x89PNG")


def test_a_game_is_titled_by_its_result_and_moves() -> None:
    game = record(9, seed=4, outcome=1, termination=Termination.CHECKMATE)
    svg = picture_of_record(game, uniform)
    *before, last = moves_of(game)
    board = chess.Board()
    for move in before:
        board.push(move)
    assert "White won: checkmate, 9 plies" in svg
    assert f"5.{board.san(last)}   (ply 9)" in svg


def test_colours_show_which_side_wins() -> None:
    greener = [int(colour(score)[3:5], 16) - int(colour(score)[1:3], 16) for score in (-1.0, 0.0, 1.0)]
    assert np.sign(greener).tolist() == [-1, 0, 1]


def test_a_ladder_is_read_if_it_has_a_table(tmp_path: Path) -> None:
    assert read_standings(tmp_path) == []
    file = tmp_path / "ladder.json"
    for without in ('{"torn": ', "[]", '{"pairs": []}', '{"standings": [{"player": "a"}]}'):
        file.write_text(without)
        assert read_standings(tmp_path) == []
    found = [standing("a", 10, 5, math.inf, 1.5), standing("random", 0, 0, 0, None)]
    Results(file).write(Standings("64 simulations", "", found, []).to_json())
    assert read_standings(tmp_path) == found
