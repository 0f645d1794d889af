"""The residual network: planes in; logits over the vocabulary and win, draw, loss out.

A tower of squeeze-and-excitation residual blocks (Hu et al. 2018, arXiv 1709.01507), as in Lc0, with one
change: no batch normalisation. The learner's and the actors' log-probabilities of one position must be the
same number, else the importance ratio of the policy gradient is wrong from the start; batch statistics
would make them differ. The residual branches start at zero instead (SkipInit, De & Smith 2020,
arXiv 2002.10444), which keeps deep towers trainable.

Shapes: B positions, C channels, P = 20 or so input planes, A = 1,880 moves.
"""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent import vocabulary
from agent.networks.residual.planes import PLANES

MOVE_PLANES: Final = 76
"""Output planes of the policy head: 8 directions x 7 distances, 8 knight moves, 3 x 4 promotions."""
_KNIGHT: Final = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
_DIRECTIONS: Final = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build the same network again; stored with its weights."""

    blocks: int = 3
    """Residual blocks, each of two 3 x 3 convolutions."""
    channels: int = 32
    """Width of the tower."""

    def metadata(self) -> dict[str, str]:
        """As strings, for a weights file."""
        return {"architecture": "se-resnet", **{key: str(value) for key, value in asdict(self).items()}}


def _move_plane(move: int) -> int:
    """Which of the 76 planes speaks about vocabulary move `move`; its from-square picks the cell."""
    origin, target = int(vocabulary.FROM[move]), int(vocabulary.TO[move])
    files, ranks = (target & 7) - (origin & 7), (target >> 3) - (origin >> 3)
    if vocabulary.PROMOTION[move] >= 0:
        return 64 + 4 * (files + 1) + int(vocabulary.PROMOTION[move])
    if (files, ranks) in _KNIGHT:
        return 56 + _KNIGHT.index((files, ranks))
    distance = max(abs(files), abs(ranks))
    return 7 * _DIRECTIONS.index((files // distance, ranks // distance)) + distance - 1


def move_planes() -> NDArray[np.uint8]:
    """[A]: which of the 76 planes speaks about each move."""
    return np.array([_move_plane(move) for move in range(vocabulary.SIZE)], np.uint8)


def _gather_index() -> Tensor:
    """int64 [A]: position of each move in the policy head's flattened [76, 8, 8]."""
    return torch.from_numpy(64 * move_planes().astype(np.int64) + vocabulary.FROM)


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


class Network(nn.Module):
    """SE-ResNet with a policy head over the vocabulary and a win/draw/loss head.

    `forward` maps planes float [B, P, 8, 8] to (logits [B, 1880], value logits [B, 3] of win, draw, loss
    for the side to move). The logits are unmasked: only `agent.networks.policy` turns them into probabilities.
    """

    policy_cells: Tensor

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        channels = self.architecture.channels
        self.stem = nn.Conv2d(PLANES, channels, 3, padding=1)
        self.tower = nn.Sequential(*(ResidualBlock(channels) for _ in range(self.architecture.blocks)))
        self.policy_hidden = nn.Conv2d(channels, channels, 1)
        self.policy_planes = nn.Conv2d(channels, MOVE_PLANES, 1)
        self.value_planes = nn.Conv2d(channels, 8, 1)
        self.value_hidden = nn.Linear(8 * 64, 64)
        self.value_out = nn.Linear(64, 3)
        self.register_buffer("policy_cells", _gather_index(), persistent=False)
        # A fresh network is nearly indifferent: near-uniform policy, near-even value.
        for head in (self.policy_planes, self.value_out):
            nn.init.normal_(head.weight, std=0.01)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        return self.heads(self.features(planes))

    def features(self, planes: Tensor) -> Tensor:
        """Planes float [B, P, 8, 8] to what both heads read, float [B, C, 8, 8]."""
        return torch.as_tensor(self.tower(torch.relu(self.stem(planes))))

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(logits [B, 1880], value logits [B, 3]) of `features`."""
        cells = self.policy_planes(torch.relu(self.policy_hidden(x))).flatten(1)
        value = torch.relu(self.value_hidden(torch.relu(self.value_planes(x)).flatten(1)))
        return cells.index_select(1, self.policy_cells), self.value_out(value)


def expected_score(value_logits: Tensor) -> Tensor:
    """[B, 3] win/draw/loss logits to [B] expected score, -1 (lost) to 1 (won), for the side to move."""
    win_draw_loss = value_logits.float().softmax(1)
    return win_draw_loss[:, 0] - win_draw_loss[:, 2]
