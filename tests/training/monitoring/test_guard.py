"""The guard's figures: each failure is provoked and caught, healthy games are not, alarms do not flicker."""

import math
from dataclasses import replace
from unittest.mock import Mock, patch

import chess
import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.networks.bundled import BUNDLED
from agent.networks.contract import Architecture
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.weights import load_weights
from agent.rules import Termination
from agent.vocabulary import from_uci
from selfplay.record import GameRecord, RaggedPolicy
from tests.agent.rules.oracle import expected_material, push
from tests.selfplay.shuffler import shuffled_games
from tests.training import golden
from tests.training.records import record
from training.monitoring import guard as module
from training.monitoring.figures import AHEAD, HELD, RecentGame, side_ahead, value_spread
from training.monitoring.guard import Guard
from training.replay import Batch
from training.settings import GuardSettings

SETTINGS = GuardSettings()
HEALTHY = {"loss/value": 0.5, "policy/entropy": 2.0}
MIDDLEGAMES = np.concatenate([game.positions[20:22] for game in golden.load()[:3]])


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 games and 6 rows make a figure count."""
    sizes = {"WINDOW_GAMES": 60, "LEAST_GAMES": 30, "WINDOW_ROWS": 9, "LEAST_ROWS": 6, "GRACE_GAMES": 0}
    for name, value in sizes.items():
        monkeypatch.setattr(module, name, value)


def batch(targets: list[list[float]]) -> Batch:
    """A batch with these value targets; a guard looks at nothing else of it."""
    size, wdl = len(targets), np.array(targets, np.float32)
    moves, zeros, versions = np.zeros(size, np.int64), np.zeros(size, np.float32), np.zeros(size, np.int32)
    return Batch(rules.start(size), moves, zeros, wdl, zeros, versions, RaggedPolicy.empty(size))


def alarms(records: list[GameRecord], settings: GuardSettings = SETTINGS) -> set[str]:
    guard = Guard(settings)
    for game in records:
        guard.added(Mock(), game)
    guard.judge(len(records))
    return set(guard.alarms)


def test_real_games_raise_no_alarm_and_games_that_shuffle_into_draws_do() -> None:
    assert alarms(golden.load() * 3) == set()
    games = shuffled_games(40)
    assert Termination.THREEFOLD_REPETITION in {game.termination for game in games}
    assert "decisive" in alarms(games)


def test_a_side_far_ahead_that_never_mates_raises_the_alarm_and_one_that_mates_does_not() -> None:
    line = "e2e4 d7d5 e4d5 d8d5 b1c3 a7a6 c3d5"
    queen_lost = [from_uci(uci, black=ply % 2 == 1) for ply, uci in enumerate(line.split())]
    with patch("selfplay.generator.random_opening", return_value=queen_lost):
        plateau = shuffled_games(40)
    assert all(side_ahead(game) == 1 for game in plateau)
    assert "mate_rate_ahead" in alarms(plateau)
    mating = [replace(g, termination=Termination.CHECKMATE, outcome=side_ahead(g)) for g in plateau if side_ahead(g)]
    assert "mate_rate_ahead" not in alarms(mating)
    mated = [replace(game, outcome=-game.outcome) for game in mating]  # by the side behind: no conversion either
    assert "mate_rate_ahead" in alarms(mated)
    truncated = [replace(game, termination=Termination.TRUNCATED) for game in plateau]
    assert {"truncated", "decisive", "mate_rate_ahead"} <= alarms(truncated)


def test_a_repertoire_of_one_opening_raises_the_alarm_and_many_openings_do_not() -> None:
    assert "unique_openings" in alarms(shuffled_games(40, opening_plies=0))
    assert "unique_openings" not in alarms([record(12, seed=seed) for seed in range(40)])


def test_openings_that_transpose_are_one() -> None:
    line, other = "g1f3 g8f6 b1c3 b8c6 e2e3 e7e6 d2d3 d7d6 a2a3", "b1c3 b8c6 g1f3 g8f6 d2d3 d7d6 e2e3 e7e6 a2a3"

    def game(moves: str) -> GameRecord:
        positions, position = [], rules.start(1)
        for uci in moves.split():
            positions.append(position[0].copy())
            rules.play(position, [vocabulary.from_uci(uci, black=bool(rules.is_black(position)[0]))])
        return replace(record(len(positions)), positions=np.stack(positions))

    one, two, third = (RecentGame.of(each).opening_key for each in (game(line), game(other), record(9, seed=1)))
    assert one == two != third
    short = record(5)  # over before there is such a position
    assert RecentGame.of(short).opening_key == int(rules.keys(short.positions[-1:])[0])


@pytest.mark.parametrize("game", golden.load(), ids=lambda game: game.game[:6])
def test_the_side_ahead_is_the_one_that_python_chess_counts(game: GameRecord) -> None:
    boards = [chess.Board(rules.to_fen(position)) for position in game.positions[-HELD:]]
    boards.append(boards[-1].copy())
    push(boards[-1], game.moves[-1])
    leads = [expected_material(board) * (1 if board.turn else -1) for board in boards]
    assert side_ahead(game) == (min(leads) >= AHEAD) - (max(leads) <= -AHEAD)


def gain(targets: list[list[float]], loss: float) -> float | None:
    guard = Guard(SETTINGS)
    for _ in range(6):
        guard.rows.batch(batch(targets))
        guard.rows.add({**HEALTHY, "loss/value": loss}, 0.1)
    return guard.figures().get("value_gain")


def test_a_constant_predictor_gains_nothing_and_a_perfect_one_all() -> None:
    targets = [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.25, 0.5, 0.25]]
    mean = [sum(column) / 4 for column in zip(*targets, strict=True)]
    constant = -sum(p * math.log(p) for p in mean)
    perfect = -sum(p * math.log(p) for row in targets for p in row if p) / 4
    assert gain(targets, constant) == pytest.approx(0, abs=1e-6)
    assert gain(targets, perfect) == pytest.approx(1, abs=1e-6)
    assert gain(targets, (constant + perfect) / 2) == pytest.approx(0.5, abs=1e-6)
    assert gain([[0.0, 1.0, 0.0]] * 4, 0.3) is None  # all drawn: nothing to explain


def test_a_value_that_gains_nothing_and_a_policy_without_entropy_raise_their_alarms() -> None:
    guard = Guard(SETTINGS)
    for _ in range(10):
        guard.rows.batch(batch([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
        guard.rows.add({"loss/value": math.log(2), "policy/entropy": 0.01}, 0.1)
    guard.judge(10)
    assert set(guard.alarms) == {"value_gain", "entropy"}


def test_the_spread_is_that_of_the_successors_values() -> None:
    """Against python-chess's successors, evaluated by the evaluator that plays, in float64."""
    network = load_weights(BUNDLED).network.train()
    evaluator, expected = make_evaluator(load_weights(BUNDLED).network), []
    for position in MIDDLEGAMES:
        board = chess.Board(rules.to_fen(position))
        after = []
        for move in board.legal_moves:
            board.push(move)
            if any(board.legal_moves):
                after.append(rules.from_board(board))
            board.pop()
        expected.append(evaluator.values(np.stack(after)).astype(np.float64).std())
    found = value_spread(network, MIDDLEGAMES) or 0.0
    assert found == pytest.approx(np.mean(expected), rel=1e-3)
    assert found > SETTINGS.value_spread
    assert network.training
    mate = rules.from_fen("7k/6Q1/6K1/8/8/8/8/8 b - - 0 1")[None]
    assert value_spread(network, mate) is None


@pytest.mark.parametrize("architecture", [ResidualArchitecture(blocks=1, channels=8), SparseArchitecture(64, 32)])
def test_a_blind_value_has_no_spread_and_raises_the_alarm(architecture: Architecture) -> None:
    network = make_network(architecture)
    for name, parameter in network.named_parameters():
        if name.startswith(("value.weight", "value_out.weight")):
            torch.nn.init.zeros_(parameter)  # it says one thing of every position
    spread = value_spread(network, MIDDLEGAMES)
    assert spread == pytest.approx(0, abs=1e-7)
    guard = Guard(SETTINGS)
    for _ in range(6):
        guard.rows.add(HEALTHY, spread)
    guard.judge(6)
    assert set(guard.alarms) == {"value_spread"}


def entropies(guard: Guard, values: list[float], start: int = 0) -> list[str]:
    """Feed these, one a row of a window of one; what was said."""
    for step, value in enumerate(values, start):
        guard.rows.add({**HEALTHY, "policy/entropy": value}, 0.1)
        guard.judge(step)
    return [news["text"] for news in guard.news if news["step"] >= start]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> GuardSettings:
    """Settings for a window of one row."""
    monkeypatch.setattr(module, "WINDOW_ROWS", 1)
    monkeypatch.setattr(module, "LEAST_ROWS", 1)
    return GuardSettings(entropy=0.5)


def test_an_alarm_does_not_flicker_about_its_threshold(narrow: GuardSettings) -> None:
    guard = Guard(narrow)
    said = entropies(guard, [0.7, 0.49, 0.51, 0.49, 0.55, 0.48, 0.59])
    assert len(said) == 1
    assert said[0].startswith("alarm entropy: guard/entropy is 0.49 nats (healthy: 0.5 nats or more): collapse; raise")
    assert entropies(guard, [0.61, 0.55], start=7) == ["alarm entropy is over: 0.61 nats"]
    assert guard.alarms == {}


def test_the_guard_is_silent_before_it_has_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert alarms(shuffled_games(30 - 1, opening_plies=0)) == set()
    with monkeypatch.context() as patched:
        patched.setattr(module, "GRACE_GAMES", 1000)
        assert alarms(shuffled_games(40, opening_plies=0)) == set()
    guard = Guard(SETTINGS)
    assert entropies(guard, [0.0] * (6 - 1)) == []
    assert len(entropies(guard, [0.0], start=6 - 1)) == 1


def test_an_alarm_about_a_high_figure_ends_below_its_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    guard, on = Guard(SETTINGS), []
    for figure in (0.97, 0.99, 0.97, 0.79, 0.78):  # threshold 0.98, margin 0.196
        monkeypatch.setattr(guard, "figures", lambda figure=figure: {"truncated": figure})
        guard._seen = 10**6
        guard.judge(0)
        on.append("truncated" in guard.alarms)
    assert on == [False, True, True, True, False]
