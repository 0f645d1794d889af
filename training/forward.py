"""How the learner runs a network: over the whole vocabulary, or over legal moves only where the network can.

Shapes: B plies, A = 1,880 moves, N lanes: A, or the 218 lanes of compact logits.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules, vocabulary
from agent.networks.registry import AnyNetwork
from agent.networks.residual.planes import planes
from agent.networks.sparse.batch import sparse_batch
from agent.networks.sparse.network import SparseNetwork
from kernels import RaggedTargets
from selfplay.record import RaggedPolicy


class Forward(NamedTuple):
    """What a network says about B plies, and how to speak to it about moves."""

    logits: Tensor
    """float [B, N], unmasked."""
    legal: Tensor
    """Packed int32 [B, 59], or bool [B, 218]."""
    value_logits: Tensor
    """float [B, 3] of win, draw, loss."""
    features: Tensor
    """float [B, H] of the network's body, pooled over the board where it has one."""
    indices: Tensor | None
    """int64 [B, 218] the vocabulary index of each lane, 1880 past the legal ones; None: a lane is its index."""

    def lanes(self, moves: Tensor) -> Tensor:
        """int64 [B] the lane of each of `moves` int64 [B]."""
        if self.indices is None:
            return moves
        return (self.legal & (self.indices == moves[:, None])).int().argmax(1)

    def policies(self, ragged: RaggedPolicy) -> RaggedTargets:
        """Improved policies as targets over lanes.

        Raises:
            ValueError: a policy does not cover just the legal moves, in ascending order, where lanes are compact.
        """
        device = self.logits.device
        offsets, indices, probabilities = (
            torch.from_numpy(array).to(device) for array in (ragged.offsets, ragged.indices, ragged.probabilities)
        )
        if self.indices is None:
            return RaggedTargets(offsets, indices, probabilities)
        if not torch.equal(indices.long(), self.indices[self.legal]):
            raise ValueError("an improved policy does not list the legal moves of its position")
        counts = offsets[1:] - offsets[:-1]
        lanes = torch.arange(len(indices), device=device) - torch.repeat_interleave(offsets[:-1], counts)
        return RaggedTargets(offsets, lanes, probabilities)


def forward(network: AnyNetwork, positions: NDArray[np.uint64], device: torch.device) -> Forward:
    """Run `network` on packed positions uint64 [B, WORDS]; bfloat16 autocast on CUDA."""
    with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
        if isinstance(network, SparseNetwork):
            found = rules.legal_moves(positions)
            batch = sparse_batch(positions, network.architecture, found).to(device)
            output = network(batch)
            indices = torch.from_numpy(np.minimum(found[0], vocabulary.SIZE).astype(np.int64)).to(device)
            return Forward(output.logits, batch.legal, output.value_logits, output.features, indices)
        legal = torch.from_numpy(rules.legal_bits(positions)).to(device)
        features = network.features(torch.from_numpy(planes(positions)).to(device))
        logits, value_logits = network.heads(features)
        return Forward(logits, legal, value_logits, features.mean((2, 3)), None)
