"""Planes: what each holds, the same from NumPy and torch, threads and dtypes alike."""

import chess
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks.residual.planes import PLANES, planes, planes_torch
from agent.rules.layout import STATE, WORDS
from tests.agent.positions import PERFT, TRICKY
from tests.agent.rules.test_games import random_positions


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
