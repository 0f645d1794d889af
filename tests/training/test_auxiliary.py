"""Auxiliary targets against python-chess, and that learning them shapes the body and survives a resume."""

from dataclasses import replace

import chess
import numpy as np
import pytest
import torch

from agent import rules
from agent.networks.registry import AnyNetwork
from agent.networks.residual.network import Architecture, Network
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from tests.training.records import searched
from training.auxiliary import AHEAD, auxiliary_targets
from training.learner import Learner
from training.replay import Replay
from training.settings import LearnerSettings
from training.targets import targets

WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 0}
SETTINGS = LearnerSettings(device="cpu", batch_size=64, learning_rate=3e-3, policy_weight=0.0, value_weight=0.0)


def balance(board: chess.Board) -> int:
    """White minus Black, counted piece by piece."""
    return sum(WORTH[piece.piece_type] * (1 if piece.color else -1) for piece in board.piece_map().values())


@pytest.mark.parametrize("plies", [3, AHEAD, 150])
def test_targets_are_what_python_chess_counts(plies: int) -> None:
    game = searched(plies, seed=2)
    boards = [rules.to_board(position) for position in game.positions]
    last = 7  # whatever the record says of the end
    found = auxiliary_targets(replace(game, balance=last))
    for ply, board in enumerate(boards):
        later = balance(boards[ply + AHEAD]) if ply + AHEAD < plies else last
        sign = 1 if board.turn == chess.WHITE else -1
        assert found[ply, 0] == pytest.approx(sign * later / 10)
        assert found[ply, 1] == pytest.approx(min((plies - ply) / 100, 1.0))


def networks() -> list[AnyNetwork]:
    torch.manual_seed(0)
    return [Network(Architecture(blocks=1, channels=16)), SparseNetwork(SparseArchitecture(width=64, hidden=32))]


def filled() -> Replay:
    replay = Replay(2000, entries_per_ply=40, searched_only=True)
    for seed in range(8):
        game = searched(60, seed=seed)
        replay.add(game, targets(game, adjudication=0.0, gae_lambda=0.9))
    return replay


@pytest.mark.parametrize("kind", [0, 1], ids=["residual", "sparse"])
def test_the_body_learns_to_foretell(kind: int) -> None:
    network = networks()[kind]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    learner = Learner(network, SETTINGS.model_copy(update={"auxiliary_weight": 1.0}), searched=True)
    replay, generator, losses = filled(), np.random.default_rng(0), []
    for _ in range(200):
        learner.train(replay.sample(64, generator), progress=0.0)
        losses.append(learner.means.take()["loss/auxiliary"])
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:3])
    body = "stem.weight" if kind == 0 else "features.weight"
    assert not torch.equal(before[body], network.state_dict()[body])


@pytest.mark.parametrize("kind", [0, 1], ids=["residual", "sparse"])
def test_a_restored_learner_goes_on_bit_for_bit_with_its_heads(kind: int) -> None:
    settings = SETTINGS.model_copy(update={"auxiliary_weight": 0.3, "policy_weight": 1.0, "value_weight": 1.0})
    one, replay, generator = Learner(networks()[kind], settings, searched=True), filled(), np.random.default_rng(0)
    for _ in range(3):
        one.train(replay.sample(64, generator), progress=0.0)
    twin = Learner(networks()[kind], settings, searched=True)
    twin.network.load_state_dict(one.network.state_dict())
    twin.restore(one.state_arrays())
    for _ in range(2):
        batch = replay.sample(64, generator)
        for each in (one, twin):
            each.train(batch, progress=0.0)
    first, second = one.state_arrays(), twin.state_arrays()
    assert first.keys() == second.keys()
    assert any("auxiliary" in name for name in first)
    assert all(np.array_equal(first[name], second[name]) for name in first)
