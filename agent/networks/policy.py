"""The policy: a distribution over the legal moves, and over nothing else.

Every probability, log-probability, entropy and sample comes from `kernels`; there is no other mask in the
house. Shapes: B positions, A = 1,880 moves, 59 packed words of legality.
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from kernels import masked_entropy, masked_log_softmax, masked_sample, masked_softmax


class MaskedPolicy(Distribution):
    """Categorical distribution over legal moves, in the style of `torch.distributions`.

    Args:
        logits: float [B, A], any value at illegal moves (NaN and infinities too); divided by `temperature`.
        legal: bool or uint8 [B, A], or packed int32 [B, 59]; True = legal.
        temperature: above 0; below 1 sharpens.

    Raises:
        ValueError: `temperature` is not above 0.
    """

    arg_constraints = {}  # noqa: RUF012  (torch's own way to say: nothing to validate)
    has_rsample = False

    def __init__(self, logits: Tensor, legal: Tensor, *, temperature: float = 1.0) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature {temperature} is not above 0")
        self.logits = logits
        self.legal = legal
        self.temperature = temperature
        super().__init__(batch_shape=logits.shape[:-1], validate_args=False)

    @property
    def _scaled(self) -> Tensor:
        return self.logits if self.temperature == 1.0 else self.logits / self.temperature

    @property
    def probabilities(self) -> Tensor:
        """[B, A]; exactly 0.0 at illegal moves, a row of zeros where nothing is legal."""
        return masked_softmax(self._scaled, legal=self.legal)

    def log_prob(self, value: Tensor) -> Tensor:
        """[B] log-probability of the moves `value` int64 [B]; -inf for an illegal move."""
        return masked_log_softmax(self._scaled, legal=self.legal).gather(-1, value[..., None])[..., 0]

    def entropy(self) -> Tensor:
        """[B] in nats; 0 where at most one move is legal."""
        return masked_entropy(self._scaled, legal=self.legal)

    @property
    def mode(self) -> Tensor:
        """int64 [B] most probable legal move; -1 where nothing is legal."""
        probabilities = self.probabilities
        best = probabilities.argmax(-1)
        return torch.where(probabilities.gather(-1, best[..., None])[..., 0] > 0, best, -1)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """int64 `sample_shape` + [B], seeded from torch's global generator; -1 where nothing is legal."""
        draws = torch.Size(sample_shape).numel()
        seed = int(torch.randint(2**62, ()).item())
        rows = torch.arange(self.logits.shape[0], device=self.logits.device)
        moves = [self.sample_keyed(seed + draw, rows)[0] for draw in range(draws)]
        return torch.stack(moves).reshape(*sample_shape, *self.batch_shape)

    def sample_keyed(self, seed: int, row_keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sample one move a row with noise fixed by (seed, row key) alone, whatever else is in the batch.

        Args:
            seed: any int64.
            row_keys: int64 [B], for example a hash of game and ply.

        Returns:
            moves int64 [B] (-1 where nothing is legal), their log-probability float32 [B], the entropy
            float32 [B].
        """
        return masked_sample(self.logits, legal=self.legal, seed=seed, row_keys=row_keys, temperature=self.temperature)
