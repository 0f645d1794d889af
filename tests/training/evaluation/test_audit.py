"""The audit, and the live one of a run: figures against sums by python-chess, and every way of masking where the answer
is known."""

import json
from pathlib import Path

import chess
import numpy as np
import pytest
import torch

import zeromass
from agent import rules, vocabulary
from agent.networks.evaluator import Evaluator
from agent.networks.network import Network
from agent.networks.registry import make_evaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from kernels.ops.alternatives import WAYS
from tests.agent.networks.test_weights import small_weights
from tests.agent.rules.oracle import expected_moves
from tests.training.records import record
from training.evaluation.audit import OURS, Audit, positions_of_pgn, positions_of_selfplay, run_audit
from training.monitoring.figures import dense_logits, leak_row, policy_now


@pytest.fixture
def evaluator() -> Evaluator:
    torch.manual_seed(0)
    network = ResidualNetwork(ResidualArchitecture(blocks=1, channels=8))
    torch.nn.init.normal_(network.policy_planes.weight, std=3.0)  # strong opinions, many of them illegal
    return Evaluator(network)


def test_positions_of_selfplay_are_counted_exactly(evaluator: Evaluator) -> None:
    done: list[int] = []
    audit = run_audit(evaluator, positions_of_selfplay(evaluator), 500, done.append)
    assert audit.positions == sum(done) == 500
    assert audit.leaks[OURS].largest == 0.0
    assert 0 < audit.leaks["unmasked"].mean <= audit.leaks["unmasked"].largest <= 1.0001
    finished = rules.from_fen("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")[None]
    audit.add(evaluator.evaluate(finished).logits, finished)
    assert audit.positions == 500


def test_correct_ways_agree_and_the_sentinel_fails_in_an_empty_row() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.5, -3.0]])
    legal = torch.tensor([[True, False, True, False]])
    expected = torch.softmax(torch.tensor([2.0, 0.5]), 0)
    for name in ("renormalised", "added_log_mask", "sentinel_half"):
        assert torch.allclose(WAYS[name](logits, legal).float()[0, [0, 2]], expected, atol=1e-3), name
    empty = WAYS["sentinel_half"](logits, torch.zeros_like(legal))
    assert torch.allclose(empty.float(), torch.full((1, 4), 0.25))  # uniform over illegal moves


def test_pgn_positions(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn"
    path.write_text('[Event "?"]\n\n1. e4 e5 2. Nf3 *\n\n[Event "?"]\n\n1. d4 *\n')
    batches = list(positions_of_pgn(path, print))
    placements = [rules.to_fen(position).split()[0] for position in np.concatenate(batches)]
    assert placements[:2] == [chess.Board().board_fen(), "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR"]
    assert sum(len(batch) for batch in batches) == 4


def test_the_command_prints_the_keys_that_scripts_rely_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_weights(tmp_path)
    assert zeromass.main(["audit", "--positions", "200", "--weights", str(path), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    keys = "kernel_mean unmasked_max unmasked_mean multiplied_max multiplied_mean multiplied_argmax_illegal"
    assert set(keys.split()) <= set(row)
    assert (row["positions"], row["kernel_max"]) == (200, 0.0)
    assert row["multiplied_max"] > 0.5
    empty = tmp_path / "empty.pgn"
    empty.write_text("")
    assert zeromass.main(["audit", "--weights", str(path), "--pgn", str(empty)]) == 2
    assert "holds no game" in capsys.readouterr().err


def networks() -> list[Network]:
    torch.manual_seed(3)
    return [ResidualNetwork(ResidualArchitecture(1, 8)), SparseNetwork(SparseArchitecture(width=64, hidden=32))]


@pytest.mark.parametrize("network", networks(), ids=["residual", "sparse"])
def test_mass_of_each_way(network: Network) -> None:
    positions = record(16, seed=6).positions
    logits = dense_logits(network, positions).double().numpy()
    legal = np.zeros((16, vocabulary.SIZE), bool)
    for row, position in enumerate(positions):
        legal[row, expected_moves(rules.to_board(position))] = True

    def mass(scores: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[float]:
        weights = np.exp(scores - scores.max(1, keepdims=True))
        return [float(value) for value in (weights * ~legal).sum(1) / weights.sum(1)]

    live, audit = leak_row(network, positions), Audit()
    audit.add(make_evaluator(network).evaluate(positions).logits, positions)
    told = audit.to_json()
    for name, scores in (("multiplied", logits * legal), ("unmasked", logits)):
        found = mass(scores)
        wanted = pytest.approx([max(found), np.mean(found)], abs=1e-5)
        assert [live[f"leak/{name}_{which}"] for which in ("max", "mean")] == wanted
        assert [told[f"{name}_{which}"] for which in ("max", "mean")] == wanted
        assert told[f"{name}_worst"] == rules.to_fen(positions[np.argmax(found)])
        assert told[f"{name}_argmax_illegal"] == 1 - legal[np.arange(16), scores.argmax(1)].mean()
    assert live["leak/kernel_max"] == live["leak/kernel_mean"] == told["kernel_max"] == told["kernel_mean"] == 0.0
    assert told["renormalised_max"] == told["added_log_mask_max"] == 0.0
    probabilities = policy_now(network, positions)
    assert (probabilities[~legal] == 0).all()
    assert probabilities.sum(1) == pytest.approx(np.ones(16), abs=1e-5)


@pytest.mark.parametrize("network", networks(), ids=["residual", "sparse"])
def test_looking_changes_nothing(network: Network) -> None:
    """Not even the running statistics of a network that is being trained, nor its gradients."""
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(0)
    state = torch.get_rng_state()
    leak_row(network, record(8).positions)
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
