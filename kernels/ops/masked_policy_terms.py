"""What is read off a policy, masked_policy_terms and masked_entropy, and drawn from it, masked_sample."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.on_torch import terms
from kernels.ops.arguments import check_row_indices, per_row, whole
from kernels.ops.legality import legal_words
from kernels.ops.registration import differentiable, register


class PolicyTerms(NamedTuple):
    """Results of `masked_policy_terms`, each `[B]`."""

    log_prob: Tensor  # float32 (float64 for float64 logits)
    entropy: Tensor  # likewise
    top1: Tensor  # bool: the move is the most probable one, the lowest column of equals


def masked_policy_terms(logits: Tensor, moves: Tensor, *, legal: Tensor, backend: str = "auto") -> PolicyTerms:
    """Return the log-probability of `moves`, the entropy of the policy, and whether each move is its first choice.

    logits: `[B, N]`, any float dtype and strides. moves: integers `[B]`. legal: as for `masked_softmax`.
    Differentiable, once, through `log_prob` and `entropy`; the backward is one more pass.

    An illegal move, or one out of range, has log_prob -inf and no gradient through it. A row without a legal entry has
    log_prob 0, entropy 0, top1 False and zero gradient. Undefined rows are NaN. Raises TypeError or ValueError for
    arguments that do not fit."""
    words, backend = legal_words(legal, logits, backend)
    moves = check_row_indices(moves, logits, "moves")
    log_prob, entropy, best, _, _ = policy_terms(logits, words, moves, backend)
    return PolicyTerms(log_prob, entropy, (best == moves) & (best >= 0))


def masked_entropy(logits: Tensor, *, legal: Tensor, backend: str = "auto") -> Tensor:
    """Return -sum p log p over the legal entries, in nats: float32 `[B]` (float64 for float64 logits).

    logits: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. A legal entry of probability 0 adds
    0. A row without a legal entry has entropy 0 and zero gradient; an undefined row is NaN. Differentiable once. It is
    the kernel of `masked_policy_terms` without moves; where both are wanted, that call costs one pass instead of two.
    """
    words, backend = legal_words(legal, logits, backend)
    entropy: Tensor = policy_terms(logits, words, None, backend)[1]
    return entropy


policy_terms = differentiable(
    register(
        terms.policy_terms,
        lambda logits, *rest: (*per_row(logits, 2), per_row(logits, 1)[0].long(), *per_row(logits, 2)),
    ),
    register(terms.policy_terms_backward),
    lambda logits, words, moves, backend, _, entropy, __, *saved: ((logits, words, moves, *saved, entropy), (backend,)),
    gradients=2,
)


class Sample(NamedTuple):
    """Results of `masked_sample`, each `[B]`."""

    moves: Tensor  # int64; -1 where nothing can be drawn
    log_prob: Tensor  # float32 (float64 for float64 logits)
    entropy: Tensor  # likewise


def masked_sample(
    logits: Tensor, *, legal: Tensor, seed: int, row_keys: Tensor, temperature: float = 1.0, backend: str = "auto"
) -> Sample:
    """Draw a move a row from softmax(logits / temperature) over the legal entries.

    logits: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. row_keys: integers `[B]`. The noise
    of a row depends on `seed` and its key alone, so its sample is the same in any batch, after a resume, and on another
    device of the same backend; give every draw its own key. `log_prob` and `entropy` are those of the distribution
    drawn from, temperature included. Gumbel-max (Maddison et al., "A* sampling", 2014) over legal entries only: an
    illegal index cannot come out. No gradient.

    A row without a legal entry gives -1, 0, 0; an undefined row gives -1, NaN, NaN. Raises TypeError or ValueError for
    arguments that do not fit."""
    words, backend = legal_words(legal, logits, backend)
    keys = check_row_indices(row_keys, logits, "row_keys")
    if not 0.0 < temperature < math.inf:
        raise ValueError(f"temperature must be finite and above 0, got {temperature}")
    # The low 64 bits as an int64, the form an op's schema can carry.
    low = ((whole(seed, "seed") & (2**64 - 1)) ^ 2**63) - 2**63
    return Sample(*_sample(logits.detach(), words, low, keys, float(temperature), backend))


_sample = register(
    terms.masked_sample,
    lambda logits, *rest: (logits.new_empty(logits.shape[0], dtype=torch.int64), *per_row(logits, 2)),
)
