"""Input planes: packed positions expanded to what a convolution reads, by Numba or by torch, identically.

All planes are seen from the side to move, [8, 8] by rank then file, rank 1 first:

- 0..5: own pawns, knights, bishops, rooks, queens, king; 6..11: the opponent's
- 12..15: castling rights: own king side, own queen side, opponent's king side, opponent's queen side
- 16: the square on which an en-passant capture is legal
- 17, 18: the position occurred before in its game at least once, at least twice
- 19: half-move clock / 100
- 20: ones, so that a convolution sees the edge of the board
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent.compilation import inlined, njit, on_warm_up
from agent.rules import record, start
from agent.rules.bits import ONE, Words, lowest, u64
from agent.rules.layout import OWN, STATE, WORDS, checked, output
from agent.rules.record import en_passant_bit, halfmove_clock, repetitions

PLANES: Final = 21  # number of input planes

_PER_PLY: Final = np.float32(0.01)
# Of the half-move clock. A factor: CUDA divides by a constant as a product, and both writers must agree to the bit.


@inlined
def _put(out: NDArray[np.float32], row: np.uint64, plane: int, board: np.uint64) -> None:
    while board:
        out[row, u64(64 * plane) + lowest(board)] = np.float32(1.0)
        board &= board - ONE


@njit
def _expand(positions: Words, out: NDArray[np.float32]) -> None:
    """`out` is [B, PLANES * 64]. Zeros first, then the few ones there are: a plane holds two on average."""
    for i in range(positions.shape[0]):
        row = u64(i)  # unsigned, or Numba asks of each index whether it counts from the end
        own = positions[i, OWN]
        state = positions[i, STATE]
        out[row, :1280] = np.float32(0.0)
        out[row, 1280:] = np.float32(1.0)
        for kind in range(6):
            _put(out, row, kind, positions[i, kind] & own)
            _put(out, row, 6 + kind, positions[i, kind] & ~own)
        for right in range(4):
            if (state >> u64(right)) & ONE:
                out[row, 768 + 64 * right : 832 + 64 * right] = np.float32(1.0)
        _put(out, row, 16, en_passant_bit(state))
        occurred = repetitions(state)
        if occurred >= u64(1):
            out[row, 1088:1152] = np.float32(1.0)
        if occurred >= u64(2):
            out[row, 1152:1216] = np.float32(1.0)
        if halfmove_clock(state):
            out[row, 1216:1280] = np.float32(halfmove_clock(state)) * _PER_PLY


def planes(positions: NDArray[np.uint64], *, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Planes float32 [B, PLANES, 8, 8] of packed positions uint64 [B, WORDS]. A ValueError where an array has another
    shape or dtype."""
    positions = checked(positions)
    result: NDArray[np.float32] = output(out, (len(positions), PLANES, 8, 8), np.float32)
    _expand(positions, result.reshape(len(positions), PLANES * 64))
    return result


def planes_torch(positions: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Planes [B, PLANES, 8, 8] of `dtype`, on the device of `positions`, int64 [B, WORDS]. The words come as int64
    (`torch.from_numpy(positions.view(np.int64))`), bit for bit. A ValueError for another shape or dtype."""
    if positions.dtype != torch.int64 or positions.ndim != 2 or positions.shape[1] != WORDS:
        raise ValueError(f"positions must be int64 [B, {WORDS}], not {positions.dtype} {list(positions.shape)}")
    batch, device = positions.shape[0], positions.device
    squares = torch.arange(64, device=device)
    own, state = positions[:, OWN, None], positions[:, STATE]
    kinds = positions[:, :6]
    boards = torch.cat([kinds & own, kinds & ~own], dim=1)
    # An arithmetic shift brings in copies of bit 63 only above the bit that is kept.
    pieces = ((boards[:, :, None] >> squares) & 1).to(dtype)
    rights = ((state[:, None] >> torch.arange(4, device=device)) & 1).to(dtype)
    files = (state >> int(record.EN_PASSANT_SHIFT)) & 0xFF
    en_passant = (((files << 40)[:, None] >> squares) & 1).to(dtype)
    occurred = (state >> int(record.REPETITIONS_SHIFT)) & 0xFF
    clock = ((state >> int(record.HALFMOVE_SHIFT)) & int(record.MAX_HALFMOVE)).to(torch.float32) * float(_PER_PLY)
    scalars = torch.stack([occurred >= 1, occurred >= 2, clock, torch.ones_like(clock)], dim=1).to(dtype)
    flat = [rights[:, :, None].expand(-1, -1, 64), en_passant[:, None], scalars[:, :, None].expand(-1, -1, 64)]
    return torch.cat([pieces, *flat], 1).view(batch, PLANES, 8, 8)


@on_warm_up
def _exercise() -> None:
    planes(start(1))
