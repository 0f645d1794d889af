"""A batch of positions as the sparse network reads it: features and legal moves, each as one ragged list.

Shapes: B positions, E features and M legal moves of all of them together, L = 218.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules
from agent.compilation import njit, on_warm_up
from agent.networks.sparse.architecture import MAX_FEATURES, SHARED, STATE_AT, USES_MOVES, SparseArchitecture
from agent.networks.sparse.borrowing import borrowed
from agent.networks.sparse.features import MAPS, active_features, phase_of
from agent.networks.sparse.moves import MOVE_ROOM, move_kinds
from agent.rules.bits import Words
from agent.rules.boundary import checked, checked_counts
from agent.vocabulary import MAX_LEGAL, SIZE


class SparseBatch(NamedTuple):
    """Tensors on one device; row b owns features[offsets[b]:offsets[b + 1]] and so with moves."""

    features: Tensor
    """int32 [E] rows of the first layer as it is trained, shared rows included."""
    offsets: Tensor
    """int64 [B + 1]."""
    moves: Tensor
    """int32 [M] legal moves as vocabulary indices, ascending within a position."""
    kinds: Tensor
    """int32 [M] kinds of the moves; zeros where the architecture has none."""
    move_offsets: Tensor
    """int64 [B + 1]."""
    phases: Tensor
    """int64 [B] which of the value's tables speaks."""

    def to(self, device: torch.device | str) -> "SparseBatch":
        """The batch on `device`."""
        return SparseBatch(*(tensor.to(device, non_blocking=True) for tensor in self))

    @property
    def legal(self) -> Tensor:
        """bool [B, 218]: the lanes of compact logits that hold a legal move."""
        counts = self.move_offsets[1:] - self.move_offsets[:-1]
        return torch.arange(MAX_LEGAL, device=counts.device) < counts[:, None]


@njit
def _features(
    positions: Words,
    layout: NDArray[np.int64],
    shared: np.int64,
    features: NDArray[np.int32],
    offsets: NDArray[np.int64],
    phases: NDArray[np.int64],
) -> None:
    positions, layout = borrowed(positions), borrowed(layout)
    maps = np.zeros(MAPS, np.uint64)
    rows = np.zeros(MAX_FEATURES, np.int32)
    offsets[0] = 0
    for i in range(positions.shape[0]):
        phases[i] = phase_of(positions[i], layout)
        count = active_features(positions[i], layout, maps, rows)
        start = offsets[i]
        for j in range(count):
            features[start + j] = rows[j]
        end = start + count
        if shared >= 0:
            for j in range(count):
                if rows[j] < layout[STATE_AT]:
                    features[end] = shared + rows[j] % SHARED
                    end += 1
        offsets[i + 1] = end


@njit
def _moves(
    positions: Words,
    layout: NDArray[np.int64],
    indices: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    moves: NDArray[np.int32],
    kinds: NDArray[np.int32],
) -> None:
    positions, layout, indices, kinds = borrowed(positions), borrowed(layout), borrowed(indices), borrowed(kinds)
    maps, room = np.zeros(MAPS, np.uint64), np.zeros(MOVE_ROOM, np.uint64)
    rows = np.zeros(MAX_FEATURES, np.int32)
    for i in range(positions.shape[0]):
        start, end = offsets[i], offsets[i + 1]
        for j in range(end - start):
            moves[start + j] = indices[i, j]
            kinds[start + j] = 0
        if layout[USES_MOVES] != 0:
            active_features(positions[i], layout, maps, rows)
            move_kinds(positions[i], indices[i], end - start, layout, maps, room, kinds[start:end])


def sparse_batch(
    positions: NDArray[np.uint64],
    architecture: SparseArchitecture,
    legal: tuple[NDArray[np.uint16], NDArray[np.int32]] | None = None,
) -> SparseBatch:
    """Features and legal moves of packed positions uint64 [B, WORDS], on the CPU.

    Args:
        positions: packed positions.
        architecture: decides the features.
        legal: what `rules.legal_moves(positions)` gives, if it is at hand already.

    Raises:
        ValueError: an array has another shape or dtype, a count is not 0..218, or a move not 0..1879.
    """
    positions = checked(positions)
    batch = len(positions)
    indices, counts = legal if legal is not None else rules.legal_moves(positions)
    counts = checked_counts(counts, batch)
    if indices.dtype != np.uint16 or indices.ndim != 2 or len(indices) != batch:
        raise ValueError(f"legal moves must be uint16 [{batch}, {MAX_LEGAL}], not {indices.dtype} {indices.shape}")
    if batch and (counts.min() < 0 or counts.max() > min(MAX_LEGAL, indices.shape[1])):
        raise ValueError(f"counts of legal moves lie in {counts.min()}..{counts.max()}, not 0..{MAX_LEGAL}")
    layout = architecture.layout()
    features, offsets = np.empty(batch * MAX_FEATURES, np.int32), np.empty(batch + 1, np.int64)
    shared = np.int64(architecture.features if architecture.threats else -1)
    phases = np.empty(batch, np.int64)
    _features(positions, layout, shared, features, offsets, phases)
    move_offsets = np.zeros(batch + 1, np.int64)
    np.cumsum(counts, out=move_offsets[1:])
    moves, kinds = np.empty(move_offsets[-1], np.int32), np.empty(move_offsets[-1], np.int32)
    _moves(positions, layout, np.require(indices, None, ["C", "W"]), move_offsets, moves, kinds)
    if moves.size and moves.max() >= SIZE:
        raise ValueError(f"legal moves hold {moves.max()}, which is no move")
    found = (features[: offsets[-1]], offsets, moves, kinds, move_offsets, phases)
    return SparseBatch(*(torch.from_numpy(array) for array in found))


@on_warm_up
def _exercise() -> None:
    sparse_batch(rules.start(1), SparseArchitecture())
