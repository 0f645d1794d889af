"""MaskedCategorical: the distribution over legal entries, for code that takes PyTorch's `Categorical`."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from kernels.ops.legality import legal_words
from kernels.ops.masked_policy_terms import masked_entropy, masked_policy_terms, masked_sample, policy_terms
from kernels.ops.masked_softmax import masked_log_softmax, masked_softmax


class MaskedCategorical(Distribution):
    """Categorical distribution over the legal entries of each row of logits.

    logits: `[..., N]`, any float dtype, any value at illegal entries. legal: as for `masked_softmax`. An illegal entry
    is never drawn; its probability and gradient are exactly 0.0, its log-probability is -inf. A row without a legal
    entry has sample and mode -1, entropy 0, and log-probability 0 of -1. Samples follow `torch.manual_seed`, on any
    device. Raises TypeError or ValueError for arguments that do not fit.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, logits: Tensor, *, legal: Tensor, backend: str = "auto", validate_args: bool | None = None
    ) -> None:
        words, self._backend = legal_words(legal, logits, backend, dims=None)
        self._given, self._words = logits, words.reshape(*logits.shape[:-1], words.shape[-1])
        super().__init__(logits.shape[:-1], validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """-1..N-1; -1 stands for a row without a legal entry."""
        return constraints.integer_interval(-1, self._given.shape[-1] - 1)  # type: ignore[no-untyped-call]

    @property
    def probs(self) -> Tensor:
        """`[..., N]`; exactly 0.0 at illegal entries."""
        return masked_softmax(self._given, legal=self._words, backend=self._backend)

    @property
    def logits(self) -> Tensor:
        """`[..., N]` log-probabilities; -inf at illegal entries."""
        return masked_log_softmax(self._given, legal=self._words, backend=self._backend)

    @property
    def mode(self) -> Tensor:
        """int64 `[...]`: the most probable legal entry, the lowest of equals."""
        best: Tensor = policy_terms(*self._rows(self.batch_shape), None, self._backend)[2]
        return best.view(self.batch_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """int64 `[*sample_shape, ...]`."""
        shape = torch.Size(sample_shape) + self.batch_shape
        logits, words = self._rows(shape)
        seed = torch.randint(2**62, (), dtype=torch.int64, device="cpu").item()
        keys = torch.arange(len(logits), dtype=torch.int64, device=logits.device)
        drawn = masked_sample(logits, legal=words, seed=int(seed), row_keys=keys, backend=self._backend)
        return drawn.moves.view(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of integers that broadcast to the rows; -inf for illegal ones."""
        if self._validate_args:
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape, self.batch_shape)  # type: ignore[no-untyped-call]
        logits, words = self._rows(shape)
        moves = value.long().expand(shape).reshape(-1)
        return masked_policy_terms(logits, moves, legal=words, backend=self._backend).log_prob.view(shape)

    def entropy(self) -> Tensor:
        """In nats, `[...]`."""
        logits, words = self._rows(self.batch_shape)
        return masked_entropy(logits, legal=words, backend=self._backend).view(self.batch_shape)

    def expand(self, batch_shape: Sequence[int], _instance: Self | None = None) -> "MaskedCategorical":
        """The same distribution for more rows."""
        given, words = (one.expand(*batch_shape, one.shape[-1]) for one in (self._given, self._words))
        return MaskedCategorical(given, legal=words, backend=self._backend, validate_args=self._validate_args)

    def _rows(self, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Logits `[R, N]` and words `[R, W]`, a row for each of `shape`."""
        given, words = (one.expand(*shape, one.shape[-1]) for one in (self._given, self._words))
        return given.reshape(-1, given.shape[-1]), words.reshape(-1, words.shape[-1])


@register_kl(MaskedCategorical, MaskedCategorical)  # type: ignore[no-untyped-call, untyped-decorator]
def _kl(p: MaskedCategorical, q: MaskedCategorical) -> Tensor:
    """Infinite where `p` has an entry that is illegal in `q`."""
    probs = p.probs
    return (probs * torch.where(probs > 0, p.logits - q.logits, 0.0)).sum(-1)
