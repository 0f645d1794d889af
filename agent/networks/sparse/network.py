"""The sparse network: features that are present summed into a small network, logits of legal moves only.

A CPU evaluates it about a hundred times as fast as a small tower of convolutions, for it reads only the
rows of features that are there and only the rows of moves that are legal. `agent.networks.sparse.evaluator` plays
with it; this is the side that learns.

Shapes: B positions, F features, W width, H hidden, A = 1,880 moves, K = 864 kinds of moves, L = 218.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent.networks.sparse.architecture import MOVE_KINDS, SHARED, THREATS, SparseArchitecture
from agent.networks.sparse.batch import SparseBatch, sparse_batch
from agent.networks.sparse.gather import products_with_rows, sum_of_rows
from agent.vocabulary import SIZE


class SparseOutput(NamedTuple):
    """What the network says about B positions."""

    logits: Tensor
    """float32 [B, L] of the legal moves in ascending order, 0 past them; `SparseBatch.legal` masks them."""
    value_logits: Tensor
    """float32 [B, 3] win, draw, loss for the side to move."""
    features: Tensor
    """float32 [B, H] what both are made of."""


class _Rows(nn.Module):
    """A table of rows to be summed or multiplied: weight [rows, width] and bias."""

    def __init__(self, rows: int, width: int, bias: int, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, width) * std)
        self.bias = nn.Parameter(torch.zeros(bias))


class SparseNetwork(nn.Module):
    """First layer of summed rows, second layer, policy rows by move and by kind of move, value.

    `forward` takes a `SparseBatch` and gives compact logits; `dense` takes packed positions and gives the
    contract of `agent.networks.residual.network.Network`. All logits are unmasked: only `kernels` makes probabilities.

    Names in `state_dict`: features, hidden, policy, value, and kinds with `moves`; each `.weight` and
    `.bias`. Every weight is stored a row an entry as the compiled evaluator reads it, `hidden.weight`
    [W, H] too.
    """

    def __init__(self, architecture: SparseArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or SparseArchitecture()
        width, hidden = self.architecture.width, self.architecture.hidden
        # About 30 pieces are present: their sum starts with a spread of about one.
        self.features = _Rows(self.architecture.trained_features, width, width, std=0.18)
        if self.architecture.threats:
            # What a piece on a square is worth is learnt once; its threat states learn how they differ.
            nn.init.zeros_(self.features.weight[: THREATS * SHARED].detach())
        self.hidden = _Rows(width, hidden, hidden, std=(2 / width) ** 0.5)
        # A fresh network is nearly indifferent: near-uniform policy, near-even value.
        self.policy = _Rows(SIZE, hidden, SIZE, std=0.01)
        self.kinds = _Rows(MOVE_KINDS, hidden, MOVE_KINDS, std=0.01) if self.architecture.moves else None
        outcomes = 3 * self.architecture.phases
        self.value = _Rows(outcomes, hidden, outcomes, std=0.01)

    def forward(self, batch: SparseBatch) -> SparseOutput:
        """See the class."""
        hidden = self._hidden(batch)
        logits = products_with_rows(hidden, self.policy.weight, self.policy.bias, batch.moves, batch.move_offsets)
        return SparseOutput(logits + self._by_kind(hidden, batch), self._value(hidden, batch), hidden)

    def dense(
        self, positions: NDArray[np.uint64], legal: tuple[NDArray[np.uint16], NDArray[np.int32]] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(logits [B, A], value logits [B, 3]) of packed positions uint64 [B, WORDS].

        What a move's kind adds is known for legal moves only; illegal ones get the logit of their row alone.
        `legal` is what `rules.legal_moves(positions)` gives, if it is at hand already.

        Raises:
            ValueError: an array has another shape or dtype.
        """
        batch = sparse_batch(positions, self.architecture, legal).to(self.policy.weight.device)
        hidden = self._hidden(batch)
        logits = torch.addmm(self.policy.bias, hidden, self.policy.weight.t())
        if self.kinds is not None:
            owner = torch.repeat_interleave(batch.move_offsets[1:] - batch.move_offsets[:-1])
            added = self._by_kind(hidden, batch)[batch.legal]
            logits = logits.index_put((owner, batch.moves.long()), added, accumulate=True)
        return logits, self._value(hidden, batch)

    def _hidden(self, batch: SparseBatch) -> Tensor:
        """float32 [B, H]."""
        summed = sum_of_rows(self.features.weight, self.features.bias, batch.features, batch.offsets)
        return torch.relu(torch.addmm(self.hidden.bias, torch.relu(summed), self.hidden.weight))

    def _by_kind(self, hidden: Tensor, batch: SparseBatch) -> Tensor:
        """float32 [B, L] what the kinds of moves add to their logits."""
        if self.kinds is None:
            return hidden.new_zeros(())
        return products_with_rows(hidden, self.kinds.weight, self.kinds.bias, batch.kinds, batch.move_offsets)

    def _value(self, hidden: Tensor, batch: SparseBatch) -> Tensor:
        """float32 [B, 3]."""
        every = torch.addmm(self.value.bias, hidden, self.value.weight.t()).view(len(hidden), -1, 3)
        return every[torch.arange(len(hidden), device=hidden.device), batch.phases]
