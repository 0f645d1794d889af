"""masked_entropy: the entropy of the policy over its legal entries."""

from __future__ import annotations

from torch import Tensor

from kernels.arguments import check_logits
from kernels.backend import resolve_backend
from kernels.legality import legal_words
from kernels.masked_policy_terms import policy_terms


def masked_entropy(logits: Tensor, *, legal: Tensor, backend: str = "auto") -> Tensor:
    """Return -sum p log p over the legal entries, in nats: float32 `[B]` (float64 for float64 logits).

    logits: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. A legal entry of probability 0 adds
    0. A row without a legal entry has entropy 0 and zero gradient; an undefined row is NaN. Differentiable once. It is
    the kernel of `masked_policy_terms` without moves; where both are wanted, that call costs one pass instead of two.
    """
    check_logits(logits)
    words = legal_words(legal, logits, backend)
    entropy: Tensor = policy_terms(logits, words, None, resolve_backend(backend, logits.device))[1]
    return entropy
