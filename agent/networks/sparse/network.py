"""The sparse network: features that are present summed into a small network, logits of legal moves only.

A CPU evaluates it many times as fast as a small tower of convolutions, for it reads only the rows of features that are
there and only the rows of moves that are legal. `agent.networks.sparse.compiled` evaluates it in play; this is the side
that learns.

Shapes: B positions, F features, W width, H hidden, A = 1,880 moves, K = 864 kinds of moves, L = 218."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent.networks.contract import Architecture
from agent.networks.network import Network, Prediction, autocast
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.batch import SparseBatch, sparse_batch
from agent.networks.sparse.features import FEATURES, PIECE_ROWS, STATE_AT
from agent.networks.sparse.gather import products_with_rows, sum_of_rows
from agent.networks.sparse.moves import MOVE_KINDS
from agent.vocabulary import SIZE


class _Rows(nn.Module):
    """A table of rows to be summed or multiplied: weight [rows, width] and bias."""

    def __init__(self, rows: int, width: int, bias: int, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, width) * std)
        self.bias = nn.Parameter(torch.zeros(bias))


class SparseNetwork(Network):
    """First layer of summed rows, second layer, policy rows by move and by kind of move, value.

    `forward` takes a `SparseBatch` and gives compact logits float32 [B, L], of the legal moves in ascending order and 0
    past them, and value logits float32 [B, 3].

    Names in `state_dict`: features, hidden, policy, kinds, value; each `.weight` and `.bias`. Every weight is stored a
    row an entry as the compiled evaluator reads it, `hidden.weight` [W, H] too."""

    architecture: SparseArchitecture

    def __init__(self, architecture: SparseArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or SparseArchitecture()
        width, hidden = self.architecture.width, self.architecture.hidden
        # About 30 pieces are present: their sum starts with a spread of about one.
        self.features = _Rows(FEATURES + PIECE_ROWS, width, width, std=0.18)
        # The last rows learn what a piece on a square is worth; those of its threat states learn how they differ.
        nn.init.zeros_(self.features.weight[:STATE_AT].detach())
        self.hidden = _Rows(width, hidden, hidden, std=(2 / width) ** 0.5)
        # A fresh network is nearly indifferent: near-uniform policy, near-even value.
        self.policy = _Rows(SIZE, hidden, SIZE, std=0.01)
        self.kinds = _Rows(MOVE_KINDS, hidden, MOVE_KINDS, std=0.01)
        self.value = _Rows(3, hidden, 3, std=0.01)

    def widened(self, architecture: Architecture) -> Network:
        """See `Network`: a way to larger layers, whose new units nothing reads yet."""
        ours = self.architecture
        if not isinstance(architecture, SparseArchitecture) or architecture == ours:
            return self
        if architecture.width < ours.width or architecture.hidden < ours.hidden:
            return self
        wide = SparseNetwork(architecture)
        readers = [layer.weight[:, ours.hidden :] for layer in (wide.policy, wide.kinds, wide.value)]
        with torch.no_grad():
            for weights in (wide.hidden.weight[ours.width :], *readers):
                weights.zero_()
            for name, tensor in self.state_dict().items():
                wide.state_dict()[name][tuple(map(slice, tensor.shape))] = tensor
        return wide

    def batch(self, positions: NDArray[np.uint64]) -> SparseBatch:
        """What this network reads of packed positions uint64 [B, WORDS], on its device."""
        return sparse_batch(positions).to(self.device)

    def forward(self, batch: SparseBatch) -> tuple[Tensor, Tensor]:
        """See the class."""
        hidden = self._hidden(batch)
        logits = products_with_rows(hidden, self.policy.weight, self.policy.bias, batch.moves, batch.move_offsets)
        return logits + self._by_kind(hidden, batch), self._value(hidden)

    def dense(self, positions: NDArray[np.uint64]) -> tuple[Tensor, Tensor]:
        """See `Network`. What a move's kind adds is known of legal moves only; illegal ones get their own row's logit.
        A ValueError where `positions` has another shape or dtype."""
        batch = self.batch(positions)
        hidden = self._hidden(batch)
        logits = torch.addmm(self.policy.bias, hidden, self.policy.weight.t())
        owner = torch.repeat_interleave(batch.move_offsets[1:] - batch.move_offsets[:-1])
        added = self._by_kind(hidden, batch)[batch.legal]
        return logits.index_put((owner, batch.moves.long()), added, accumulate=True), self._value(hidden)

    def predict(self, positions: NDArray[np.uint64]) -> Prediction:
        """See `Network`; logits of the legal moves only."""
        batch = self.batch(positions)
        with autocast(self.device):
            logits, value_logits = self(batch)
        legal = batch.legal
        indices = torch.full(legal.shape, SIZE, device=self.device).masked_scatter(legal, batch.moves.long())
        return Prediction(logits, legal, value_logits, indices)

    def _hidden(self, batch: SparseBatch) -> Tensor:
        summed = sum_of_rows(self.features.weight, self.features.bias, batch.features, batch.offsets)
        return torch.relu(torch.addmm(self.hidden.bias, torch.relu(summed), self.hidden.weight))

    def _by_kind(self, hidden: Tensor, batch: SparseBatch) -> Tensor:
        """float32 [B, L] what the kinds of moves add to their logits."""
        return products_with_rows(hidden, self.kinds.weight, self.kinds.bias, batch.kinds, batch.move_offsets)

    def _value(self, hidden: Tensor) -> Tensor:
        return torch.addmm(self.value.bias, hidden, self.value.weight.t())
