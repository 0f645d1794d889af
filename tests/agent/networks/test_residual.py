"""The residual network: its planes, the move of each output cell, and the same numbers in training and play."""

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.errors import InputError
from agent.networks.registry import make_evaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.residual.planes import PLANES, planes, planes_torch
from agent.rules.layout import STATE, WORDS
from tests.agent.positions import PERFT, TRICKY
from tests.agent.rules.test_games import random_positions


def test_each_move_reads_the_cell_of_its_own_from_square_and_direction() -> None:
    """Moves share a plane exactly when they go the same way: checked by geometry, not by the table's own code."""
    cells = ResidualNetwork(ResidualArchitecture(blocks=0, channels=8)).policy_cells.tolist()
    assert len(set(cells)) == vocabulary.SIZE
    ways: dict[int, set[tuple[int, int, int]]] = {}
    for move, cell in enumerate(cells):
        origin, target = int(vocabulary.FROM[move]), int(vocabulary.TO[move])
        assert cell % 64 == origin
        step = ((target & 7) - (origin & 7), (target >> 3) - (origin >> 3), int(vocabulary.PROMOTION[move]))
        ways.setdefault(cell // 64, set()).add(step)
    assert all(len(steps) == 1 for steps in ways.values())
    assert len(ways) == 76


def test_training_mode_and_evaluation_mode_agree_bit_for_bit() -> None:
    """The importance ratio of a fresh game must be 1: nothing in the network may depend on the mode."""
    torch.manual_seed(0)
    network = ResidualNetwork(ResidualArchitecture(blocks=2, channels=16))
    for block in network.tower:
        torch.nn.init.constant_(block.scale, 0.5)  # type: ignore[arg-type]
    inputs = torch.randn(4, PLANES, 8, 8)
    assert all(map(torch.equal, network.train()(inputs), network.eval()(inputs)))


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork(ResidualArchitecture(blocks=1, channels=8))
    torch.nn.init.constant_(network.tower[0].scale, 0.5)  # type: ignore[arg-type]
    logits, value = network(torch.randn(8, PLANES, 8, 8))
    (logits.square().sum() + value.square().sum()).backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


def test_graphs_need_cuda() -> None:
    with pytest.raises(InputError, match="runtime=graphs needs a CUDA device"):
        make_evaluator(ResidualNetwork(ResidualArchitecture(blocks=0, channels=8)), runtime="graphs")


def words(positions: NDArray[np.uint64]) -> torch.Tensor:
    return torch.from_numpy(positions.view(np.int64))


@pytest.mark.parametrize("fen", [*PERFT, *TRICKY, "8/8/4k3/8/8/3RK3/8/8 w - - 100 160"])  # a full clock
def test_planes_are_as_documented(fen: str) -> None:
    board = chess.Board(fen)
    seen = board if board.turn else board.mirror()
    expected = np.zeros((PLANES, 8, 8), np.float32)
    for square, piece in seen.piece_map().items():
        expected[piece.piece_type - 1 + (0 if piece.color else 6), square >> 3, square & 7] = 1
    rights = (chess.BB_H1, chess.BB_A1, chess.BB_H8, chess.BB_A8)
    for plane, rook in enumerate(rights):
        expected[12 + plane] = bool(seen.castling_rights & rook)
    if seen.ep_square is not None and seen.has_legal_en_passant():
        expected[16, seen.ep_square >> 3, seen.ep_square & 7] = 1
    expected[19] = np.float32(seen.halfmove_clock) * np.float32(0.01)
    expected[20] = 1
    assert (planes(rules.from_fen(fen)[None])[0] == expected).all()


@pytest.mark.parametrize("occurred", range(5))
def test_repetitions(occurred: int) -> None:
    position = rules.start(1)
    position[0, STATE] |= np.uint64(occurred << 16)
    assert [np.unique(plane).tolist() for plane in planes(position)[0, 17:19]] == [[occurred >= 1], [occurred >= 2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_torch_gives_the_same(dtype: torch.dtype) -> None:
    positions = np.concatenate([random_positions(200), np.stack([rules.from_fen(fen) for fen in TRICKY])])
    positions[::3, STATE] |= np.uint64(2 << 16)
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        theirs = planes_torch(words(positions).to(device), dtype).cpu()
        assert theirs.dtype == dtype
        assert torch.equal(torch.from_numpy(planes(positions)).to(dtype), theirs)


def test_out_and_other_shapes() -> None:
    positions = random_positions(50)
    out = np.full((50, PLANES, 8, 8), np.nan, np.float32)
    assert planes(positions, out=out) is out
    assert (out == planes(positions)).all()
    with pytest.raises(ValueError, match="out must be"):
        planes(rules.start(2), out=np.zeros((1, PLANES, 8, 8), np.float32))
    with pytest.raises(ValueError, match="int64"):
        planes_torch(torch.zeros(2, WORDS))
    assert planes(rules.start(0)).shape == planes_torch(words(rules.start(0))).shape == (0, PLANES, 8, 8)
