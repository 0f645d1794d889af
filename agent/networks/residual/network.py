"""The residual network: planes in; logits over the vocabulary and win, draw, loss out.

A tower of squeeze-and-excitation residual blocks (Hu et al. 2018, arXiv 1709.01507), as in Lc0, without batch
normalisation. The learner and the actors must compute the same log-probability of a move, else the importance ratio of
the policy gradient is wrong from the start; batch statistics would make them differ. The residual branches start at
zero instead (SkipInit, De & Smith 2020, arXiv 2002.10444), which keeps deep towers trainable.

Shapes: B positions, C channels, P = 21 input planes, A = 1,880 moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent import vocabulary
from agent.networks.contract import Architecture
from agent.networks.network import Network, sent
from agent.networks.residual.planes import PLANES, planes, planes_torch

MOVE_PLANES: Final = 76  # planes of the policy head: 8 directions x 7 distances, 8 knight moves, 3 x 4 promotions
_KNIGHT: Final = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
_DIRECTIONS: Final = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


@dataclass(frozen=True)
class ResidualArchitecture(Architecture):
    """Sizes of a residual network."""

    kind: ClassVar[str] = "residual"
    parts: ClassVar[str] = "agent.networks.residual.evaluator"
    blocks: int = 3  # residual blocks, each of two 3 x 3 convolutions
    channels: int = 32  # width of the tower

    def metadata(self) -> dict[str, str]:
        """See `Architecture`."""
        return {**super().metadata(), "planes": str(PLANES)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """See `Architecture`. A ValueError where an entry is not what `metadata` writes, or the network reads other
        planes."""
        if metadata.get("planes") != str(PLANES):
            raise ValueError(f"it reads {metadata.get('planes')} input planes, this version has {PLANES}")
        return super().from_metadata(metadata)


def _move_plane(move: int) -> int:
    """Which of the 76 planes holds vocabulary move `move`; its from-square picks the cell."""
    origin, target = int(vocabulary.FROM[move]), int(vocabulary.TO[move])
    files, ranks = (target & 7) - (origin & 7), (target >> 3) - (origin >> 3)
    if vocabulary.PROMOTION[move] >= 0:
        return 64 + 4 * (files + 1) + int(vocabulary.PROMOTION[move])
    if (files, ranks) in _KNIGHT:
        return 56 + _KNIGHT.index((files, ranks))
    distance = max(abs(files), abs(ranks))
    return 7 * _DIRECTIONS.index((files // distance, ranks // distance)) + distance - 1


class ResidualBlock(nn.Module):
    """x + scale * SE(conv(relu(conv(x)))), with the scale starting at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.squeeze = nn.Linear(channels, max(channels // 4, 4))
        self.excite = nn.Linear(max(channels // 4, 4), 2 * channels)
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 8, 8] to the same shape."""
        branch = self.second(torch.relu(self.first(x)))
        gate, shift = self.excite(torch.relu(self.squeeze(branch.mean((2, 3)))))[:, :, None, None].chunk(2, dim=1)
        return torch.relu(x + self.scale * (branch * torch.sigmoid(gate) + shift))


class ResidualNetwork(Network):
    """SE-ResNet with a policy head over the vocabulary and a win/draw/loss head. `forward` maps planes float [B, P, 8,
    8] to (logits [B, 1880], value logits [B, 3] of win, draw, loss for the side to move)."""

    policy_cells: Tensor  # int64 [A]: position of each move in the policy head's flattened [76, 8, 8]

    def __init__(self, architecture: ResidualArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or ResidualArchitecture()
        channels = self.architecture.channels
        self.stem = nn.Conv2d(PLANES, channels, 3, padding=1)
        self.tower = nn.Sequential(*(ResidualBlock(channels) for _ in range(self.architecture.blocks)))
        self.policy_hidden = nn.Conv2d(channels, channels, 1)
        self.policy_planes = nn.Conv2d(channels, MOVE_PLANES, 1)
        self.value_planes = nn.Conv2d(channels, 8, 1)
        self.value_hidden = nn.Linear(8 * 64, 64)
        self.value_out = nn.Linear(64, 3)
        planes_of_moves = np.array([_move_plane(move) for move in range(vocabulary.SIZE)], np.int64)
        cells = torch.from_numpy(64 * planes_of_moves + vocabulary.FROM)
        self.register_buffer("policy_cells", cells, persistent=False)
        # A fresh network is nearly indifferent: near-uniform policy, near-even value.
        for head in (self.policy_planes, self.value_out):
            nn.init.normal_(head.weight, std=0.01)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = self.tower(torch.relu(self.stem(planes)))
        cells = self.policy_planes(torch.relu(self.policy_hidden(x))).flatten(1)
        value = torch.relu(self.value_hidden(torch.relu(self.value_planes(x)).flatten(1)))
        return cells.index_select(1, self.policy_cells), self.value_out(value)

    def dense(self, positions: NDArray[np.uint64]) -> tuple[Tensor, Tensor]:
        """See `Network`. Only packed positions, 64 bytes each, go to a GPU; their planes are made there."""
        if self.device.type == "cuda":
            words = sent(np.ascontiguousarray(positions).view(np.int64), self.device)
            inputs = planes_torch(words).contiguous(memory_format=torch.channels_last)
        else:
            inputs = torch.from_numpy(planes(positions))
        outputs: tuple[Tensor, Tensor] = self(inputs)
        return outputs
