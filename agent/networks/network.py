"""Networks in torch: logits over the vocabulary, a value, what the learner trains. See `contract` for the rest. Shapes:
B positions, A = 1,880 moves, N lanes: A, or the 218 lanes of compact logits."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent import rules
from agent.networks.contract import Architecture
from kernels import RaggedTargets


class Prediction(NamedTuple):
    """What a network says about B plies while it learns. A network may know the logits of legal moves only. Its logits
    are then compact: 218 lanes a position, the legal moves first, in ascending order."""

    logits: Tensor  # float [B, N], unmasked
    legal: Tensor  # packed int32 [B, 59], or bool [B, 218]
    value_logits: Tensor  # float [B, 3] of win, draw, loss for the side to move
    indices: Tensor | None  # int64 [B, 218] vocabulary index of a lane, 1880 past the legal; None: a lane is its index

    def lanes(self, moves: Tensor) -> Tensor:
        """int64 [B] the lane of each of `moves` int64 [B]."""
        if self.indices is None:
            return moves
        return (self.legal & (self.indices == moves[:, None])).int().argmax(1)

    def targets(self, offsets: Tensor, indices: Tensor, probabilities: Tensor) -> RaggedTargets:
        """Improved policies, ragged over vocabulary indices, as targets over lanes. A ValueError where lanes are
        compact, and a policy does not list exactly the legal moves in ascending order."""
        if self.indices is None:
            return RaggedTargets(offsets, indices, probabilities)
        if not torch.equal(indices.long(), self.indices[self.legal]):
            raise ValueError("an improved policy does not list the legal moves of its position")
        counts = offsets[1:] - offsets[:-1]
        lanes = torch.arange(len(indices), device=indices.device) - torch.repeat_interleave(offsets[:-1], counts)
        return RaggedTargets(offsets, lanes, probabilities)


class Network(nn.Module, ABC):
    """A network over packed positions. All logits are unmasked: only `kernels` turns them into probabilities."""

    architecture: Architecture

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @abstractmethod
    def dense(self, positions: NDArray[np.uint64]) -> tuple[Tensor, Tensor]:
        """(logits [B, A], value logits [B, 3] of win, draw, loss) of packed positions uint64 [B, WORDS]."""

    def widened(self, architecture: Architecture) -> "Network":
        """A network of this architecture that computes the same, where there is a way to make one; else itself."""
        return self

    def predict(self, positions: NDArray[np.uint64]) -> Prediction:
        """What the learner trains, for packed positions uint64 [B, WORDS]; see `autocast`."""
        legal = sent(rules.legal_bits(positions), self.device)
        with autocast(self.device):
            logits, value_logits = self.dense(positions)
        return Prediction(logits, legal, value_logits, None)


def sent(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array on `device`. On the way to a GPU it is pinned, so that the host need not wait for the copy."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def autocast(device: torch.device) -> torch.autocast:
    """Around a forward pass: it computes in `autocast_dtype`."""
    dtype = autocast_dtype(device)
    return torch.autocast("cuda", None if dtype == torch.float32 else dtype, enabled=dtype != torch.float32)


def autocast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where a GPU computes in it natively (compute capability 8.0), else float16 where it does in that (7.0),
    else float32, on CPUs too. PyTorch emulates bfloat16 on other GPUs, slowly, and calls it supported."""
    major = torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 0
    return torch.bfloat16 if major >= 8 else torch.float16 if major == 7 else torch.float32


def expected_score(value_logits: Tensor) -> Tensor:
    """[B, 3] win/draw/loss logits to [B] expected score, -1 (lost) to 1 (won), for the side to move."""
    wdl = value_logits.float().softmax(1)
    return wdl[:, 0] - wdl[:, 2]
