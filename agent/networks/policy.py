"""The policy: a distribution over the legal moves, and over nothing else. All of it comes from `kernels`; there is no
other mask in the house. Shapes: B positions, A = 1,880 moves, 59 packed words of legality."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels import masked_sample, masked_softmax


@dataclass(frozen=True, eq=False)
class MaskedPolicy:
    """Categorical distribution over legal moves. A ValueError where `temperature` is not above 0."""

    logits: Tensor  # float [B, A], any value at illegal moves (NaN and infinities too)
    legal: Tensor  # bool or uint8 [B, A], or packed int32 [B, 59]; True = legal
    temperature: float = 1.0  # divides the logits: above 0; below 1 sharpens

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature {self.temperature} is not above 0")

    @property
    def probabilities(self) -> Tensor:
        """[B, A]; exactly 0.0 at illegal moves, a row of zeros where nothing is legal."""
        scaled = self.logits if self.temperature == 1.0 else self.logits / self.temperature
        return masked_softmax(scaled, legal=self.legal)

    @property
    def mode(self) -> Tensor:
        """int64 [B] most probable legal move; -1 where nothing is legal."""
        largest, best = self.probabilities.max(-1)
        return torch.where(largest > 0, best, -1)

    def sample(self, seed: int, row_keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Moves int64 [B] (-1 where nothing is legal), their log-probability, and the entropy in nats, float32 [B]. The
        noise of a row is fixed by `seed`, any int64, and its key alone, whatever else is in the batch; `row_keys` are
        int64 [B], for example hashes of game and ply."""
        return masked_sample(self.logits, legal=self.legal, seed=seed, row_keys=row_keys, temperature=self.temperature)
