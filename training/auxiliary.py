"""Auxiliary targets: what else of a game the network's body is made to foretell, so that it sees more of a position.

A result says little about one ply; what is on the board eight plies later says much about its tactics, and how long the
game still took says much about its phase. Both are learned from the body's features by a linear head that only the
learner has: the chess analogue of KataGo's ownership and score targets (Wu 2019, arXiv 1902.10565, section 4.1).

Shapes: T plies of a game, B plies of a batch, H features.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent import rules
from selfplay.record import GameRecord

AHEAD: Final = 8
"""Plies from a position to the one whose material it shall foretell."""
_PAWNS: Final = 10.0  # of advantage that count as 1
_PLIES: Final = 100.0  # still to come that count as 1, and at most
TARGETS: Final = 2


def auxiliary_targets(record: GameRecord) -> NDArray[np.float32]:
    """[T, 2]: material `AHEAD` plies on, or at the end of the game, own minus other in tens of pawns; and plies still
    to come in hundreds, at most 1."""
    white = np.where(rules.is_black(record.positions), -1.0, 1.0)
    balances = np.append(rules.material(record.positions) * white, record.balance)  # White minus Black
    plies = np.arange(record.plies)
    ahead = balances[np.minimum(plies + AHEAD, record.plies)] * white / _PAWNS
    left = np.minimum((record.plies - plies) / _PLIES, 1.0)
    return np.stack([ahead, left], axis=1).astype(np.float32)


class AuxiliaryHeads(nn.Module):
    """One linear layer from H features to the targets.

    Args:
        features: H.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out = nn.Linear(features, TARGETS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """Scalar: mean squared error of `features` float [B, H] against `targets` float32 [B, 2]."""
        return torch.nn.functional.mse_loss(self.out(features.float()), targets)
