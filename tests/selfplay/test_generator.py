"""Self-play games: legal by python-chess to the last ply, rightly ended, reproducible, unique."""

import chess
import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.errors import InputError
from agent.networks.bundled import find_weights
from agent.networks.evaluator import Evaluator
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.rules import Games, Termination
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions
from kernels import unpack_legal
from kernels.splitmix import mix
from selfplay.generator import Generator
from selfplay.record import GameRecord
from selfplay.selection import EXPLORED, make_selector
from selfplay.settings import SelfplaySettings
from tests.agent.rules.oracle import differences, expected_material, push
from tests.agent.search.pvs.test_search import NETWORK
from tests.training.records import finished

SETTINGS = SelfplaySettings(games=16, opening_plies=6, ply_cap=90)


def evaluator(blocks: int = 1) -> Evaluator:
    torch.manual_seed(0)
    return Evaluator(ResidualNetwork(ResidualArchitecture(blocks=blocks, channels=8)))


def generator(seed: int = 0, stream: int = 0) -> Generator:
    return Generator(evaluator(), SETTINGS, seed=seed, stream=stream)


@pytest.fixture(scope="module")
def records() -> list[GameRecord]:
    return finished(generator(), 64)


def replayed(record: GameRecord) -> chess.Board:
    """The game on python-chess's board, every move checked for legality, and the rules in every position."""
    board, boards = chess.Board(), []
    for move in record.opening.tolist():
        push(board, move)
    for move in record.moves.tolist():
        assert not board.outcome()
        boards.append(board.copy())
        push(board, move)
    assert differences(boards, record.positions) == []
    return board


def test_every_game_is_real_chess_and_ends_for_the_reason_given(records: list[GameRecord]) -> None:
    for record in records:
        board = replayed(record)
        assert (board.move_stack, board.fen()) == (record.board().move_stack, record.board().fen())
        outcome = board.outcome()
        if record.termination == Termination.TRUNCATED:
            assert (outcome, board.ply()) == (None, SETTINGS.ply_cap)
        elif record.termination == Termination.THREEFOLD_REPETITION:
            assert board.is_repetition(3)
        elif record.termination == Termination.FIFTY_MOVES:
            assert board.is_fifty_moves()
        else:
            assert outcome is not None
            assert outcome.termination.name == record.termination.name
        won = -1 if board.turn == chess.WHITE else 1
        assert record.outcome == (won if record.termination == Termination.CHECKMATE else 0)
        assert record.balance == expected_material(board) * (1 if board.turn else -1)
    assert {record.termination for record in records} >= {Termination.TRUNCATED, Termination.CHECKMATE}


def test_log_probs_are_those_of_the_network_that_played(records: list[GameRecord]) -> None:
    for record in records:
        assert (record.positions.dtype.name, record.moves.dtype.name, len(record.game)) == ("uint64", "uint16", 32)
        assert record.log_probs.shape == record.values.shape == record.versions.shape == (record.plies,)
        evaluation = evaluator().evaluate(record.positions)
        legal = unpack_legal(torch.from_numpy(rules.legal_bits(record.positions)), size=vocabulary.SIZE)
        logits = evaluation.logits.double().masked_fill(~legal, -torch.inf)
        expected = logits.log_softmax(1).gather(1, torch.from_numpy(record.moves.astype(np.int64))[:, None])[:, 0]
        assert np.allclose(record.log_probs, expected.numpy(), atol=1e-4)
        assert np.allclose(record.values, evaluation.values.numpy(), atol=1e-5)


def test_one_seed_gives_the_same_games_and_others_other_games(records: list[GameRecord]) -> None:
    for one, two in zip(records, finished(generator(), 64), strict=True):
        assert (one.game, one.seed) == (two.game, two.seed)
        assert np.array_equal(one.opening, two.opening)
        assert np.array_equal(one.moves, two.moves)
    others = finished(generator(stream=1), 32) + finished(generator(seed=1), 32)
    assert len({record.game for record in records + others}) == len(records + others)
    assert len({record.moves.tobytes() for record in records + others}) == len(records + others)
    # Openings differ and vary in length.
    assert {len(record.opening) for record in records} == set(range(SETTINGS.opening_plies + 1))
    long = [record.opening.tobytes() for record in records if len(record.opening) >= 4]
    assert len(set(long)) == len(long)


@pytest.mark.parametrize(
    ("games", "simulations", "seed", "least"),
    [(6, 0, 1, 500), (6, 8, 1, 500), *(pytest.param(64, n, 2, 8_000, marks=pytest.mark.slow) for n in (0, 16))],
)
def test_the_rules_in_positions_of_selfplay(games: int, simulations: int, seed: int, least: int) -> None:
    """Against python-chess, move history and all."""
    torch.manual_seed(seed)
    player = make_evaluator(make_network(SparseArchitecture(width=64, hidden=32)))
    settings = SelfplaySettings(games=32, ply_cap=400, simulations=simulations)
    records = finished(Generator(player, settings, seed=seed, stream=0), games)
    for record in records:
        replayed(record)
    assert sum(record.plies for record in records) > least


def test_statistics_count_what_was_played() -> None:
    source = generator()
    for _ in range(5):
        source.step()
    statistics = source.take_statistics()
    assert statistics.plies == statistics.mass.distributions == 5 * SETTINGS.games
    assert statistics.mass.largest == 0.0
    assert 2 < statistics.entropy_total / statistics.plies < 4
    assert source.take_statistics().plies == 0


@pytest.mark.parametrize("simulations", [0, 4])
def test_entropies_are_those_of_the_distributions(simulations: int) -> None:
    settings = SelfplaySettings(simulations=simulations, max_considered_actions=4, temperature=1.5)
    selected = make_selector(evaluator(blocks=0), settings, seed=1)(rules.Games(9), mix(np.arange(9)))
    weights = selected.probabilities.double().numpy()
    expected = -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(1)
    np.testing.assert_allclose(selected.entropies, expected, rtol=1e-5)


def test_principal_variation_search_chooses_moves_and_values_and_keeps_the_policy() -> None:
    network, games = find_weights().weights.network, Games(6)
    select = make_selector(make_evaluator(network), SelfplaySettings(simulations=150, method="pvs"), seed=1)
    for ply in range(8):
        selected, dense = select(games, mix(np.arange(6) + 10 * ply)), network.dense(games.positions)[0]
        for row in range(6):
            search = PrincipalVariationSearch(NETWORK, 1)  # each game as if it were alone
            search.begin(games.take([row]), RootOptions())
            search.run(150)
            best, kept = search.look(1)[0], selected.policies.plies(row, row + 1)
            indices, counts = rules.legal_moves(games.positions[row : row + 1])
            legal = indices[0, : counts[0]].astype(np.int64)
            policy = dense[row, torch.from_numpy(legal)].double().softmax(0).detach().numpy()
            assert np.array_equal(kept.indices, legal)  # improbable ones too
            np.testing.assert_allclose(kept.probabilities, policy, atol=1e-3)
            expected = EXPLORED / len(legal) + (1 - EXPLORED) * (legal == best.move)
            np.testing.assert_allclose(selected.probabilities[row, legal], expected, atol=1e-5)
            assert selected.values[row] == np.float32(best.value)
        games.play(selected.moves)
    with pytest.raises(InputError, match=r"selfplay\.method=pvs needs .* network\.kind=sparse"):
        make_selector(evaluator(), SelfplaySettings(simulations=9, method="pvs"), seed=0)
