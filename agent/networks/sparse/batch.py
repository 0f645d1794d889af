"""A batch of positions as the sparse network reads it: features and legal moves, each as one ragged list. Shapes: B
positions, E features and M legal moves of all of them together, L = 218."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules
from agent.compilation import njit, on_warm_up
from agent.networks.sparse.features import FEATURES, MAPS, MAX_FEATURES, PIECE_ROWS, STATE_AT, active_features
from agent.networks.sparse.moves import MOVE_ROOM, move_kinds
from agent.networks.sparse.vectors import borrowed
from agent.rules.bits import Words
from agent.rules.layout import checked
from agent.vocabulary import MAX_LEGAL


class SparseBatch(NamedTuple):
    """Tensors on one device; row b owns features[offsets[b]:offsets[b + 1]] and so with moves."""

    features: Tensor  # int32 [E] rows of the first layer as it is trained, shared rows included
    offsets: Tensor  # int64 [B + 1]
    moves: Tensor  # int32 [M] legal moves as vocabulary indices, ascending within a position
    kinds: Tensor  # int32 [M] kinds of the moves
    move_offsets: Tensor  # int64 [B + 1]

    def to(self, device: torch.device | str) -> "SparseBatch":
        """The batch on `device`."""
        return SparseBatch(*(tensor.to(device, non_blocking=True) for tensor in self))

    @property
    def legal(self) -> Tensor:
        """bool [B, 218]: the lanes of compact logits that hold a legal move."""
        counts = self.move_offsets[1:] - self.move_offsets[:-1]
        return torch.arange(MAX_LEGAL, device=counts.device) < counts[:, None]


@njit
def _fill(
    positions: Words, legal: NDArray[np.uint16], features: NDArray[np.int32], offsets: NDArray[np.int64],
    moves: NDArray[np.int32], kinds: NDArray[np.int32], move_offsets: NDArray[np.int64],
) -> None:  # fmt: skip
    positions, legal, kinds = borrowed(positions), borrowed(legal), borrowed(kinds)
    maps, room = np.zeros(MAPS, np.uint64), np.zeros(MOVE_ROOM, np.uint64)
    rows = np.zeros(MAX_FEATURES, np.int32)
    offsets[0] = 0
    for i in range(positions.shape[0]):
        count = active_features(positions[i], maps, rows)
        end = offsets[i]
        for j in range(count):
            features[end] = rows[j]
            end += 1
        for j in range(count):
            if rows[j] < STATE_AT:
                features[end] = FEATURES + rows[j] % PIECE_ROWS
                end += 1
        offsets[i + 1] = end
        start, end = move_offsets[i], move_offsets[i + 1]
        for j in range(end - start):
            moves[start + j] = legal[i, j]
        move_kinds(positions[i], legal[i], end - start, maps, room, kinds[start:end])


def sparse_batch(positions: NDArray[np.uint64]) -> SparseBatch:
    """Features and legal moves of packed positions uint64 [B, WORDS], on the CPU. A ValueError where `positions` has
    another shape or dtype."""
    positions = checked(positions)
    legal, counts = rules.legal_moves(positions)
    features, offsets = np.empty(len(positions) * MAX_FEATURES, np.int32), np.empty(len(positions) + 1, np.int64)
    move_offsets = np.zeros(len(positions) + 1, np.int64)
    np.cumsum(counts, out=move_offsets[1:])
    moves, kinds = np.empty(move_offsets[-1], np.int32), np.empty(move_offsets[-1], np.int32)
    _fill(positions, legal, features, offsets, moves, kinds, move_offsets)
    found = (features[: offsets[-1]], offsets, moves, kinds, move_offsets)
    return SparseBatch(*(torch.from_numpy(array) for array in found))


@on_warm_up
def _exercise() -> None:
    sparse_batch(rules.start(1))
