"""Every masked op and what one would write without it, on problems of any size."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

import kernels
from kernels.ops.alternatives import renormalised


class Problem(NamedTuple):
    """One batch, in every form that a contender may want."""

    logits: Tensor  # [B, N], requires grad
    legal: Tensor  # bool [B, N]
    words: Tensor  # the same, packed
    moves: Tensor  # int64 [B], legal
    soft: Tensor  # [B, N] targets over the legal entries
    ragged: kernels.RaggedTargets  # the same
    gradient: Tensor  # [B, N]
    keys: Tensor  # int64 [B]


class Contender(NamedTuple):
    """`call(problem)` returns a differentiable result or, where `gradient` is False, the answer itself."""

    name: str
    call: Callable[[Problem], Any]
    gradient: bool = True
    compile: bool = False
    needs: str = ""  # a package that may not be installed; it runs on a GPU alone
    capturable: bool = True  # by a CUDA graph: no host synchronisation

    def prepare(self, given: Problem) -> dict[str, Callable[[], Any]]:
        """What to time: `forward` and, where there is a gradient, `with backward`."""
        if self.compile:
            torch._dynamo.reset()
        forward = torch.compile(self.call, fullgraph=True, dynamic=False) if self.compile else self.call
        if not self.gradient:
            with_no_grad = torch.no_grad()(forward)
            return {"forward": lambda: with_no_grad(given)}

        def step() -> Tensor:
            result = forward(given)
            upstream = given.gradient if result.dim() == 2 else given.gradient[:, 0]
            (gradient,) = torch.autograd.grad(result, given.logits, upstream.to(result.dtype))
            return gradient

        return {"forward": lambda: forward(given), "with backward": step}


def problem(rows: int, size: int, share: float, dtype: torch.dtype, device: torch.device) -> Problem:
    """Draw a batch with round(share * size) legal entries a row."""
    drawn: dict[str, Any] = {"generator": torch.Generator(device).manual_seed(0), "device": device}
    count = max(1, round(share * size))
    legal = torch.full((rows, size), count == size, device=device)
    for first in range(0, rows if count < size else 0, 1024):
        part = torch.rand(min(1024, rows - first), size, **drawn)
        legal[first : first + 1024].scatter_(1, part.topk(count, 1).indices, True)
    soft = torch.rand(rows, size, **drawn) * legal
    soft /= soft.sum(1, keepdim=True)
    offsets = torch.arange(rows + 1, device=device) * count
    ragged = kernels.RaggedTargets(offsets, legal.nonzero()[:, 1].to(torch.uint16), soft[legal].half())
    return Problem(
        torch.randn(rows, size, **drawn).to(dtype).requires_grad_(),
        legal,
        kernels.pack_legal(legal),
        soft.argmax(1),
        soft,
        ragged,
        torch.randn(rows, size, **drawn).to(dtype),
        torch.arange(rows, device=device),
    )


def fill(p: Problem) -> Tensor:
    return p.logits.masked_fill(~p.legal, -torch.inf)


def entropy_of(p: Problem, log_p: Tensor) -> Tensor:
    return -(log_p.masked_fill(~p.legal, 0.0) * log_p.exp()).sum(1)


def terms_loss(log_prob: Tensor, entropy: Tensor, top1: Tensor) -> Tensor:
    """A loss of what an actor-critic step needs; top-1 agreement is computed and has no gradient."""
    return -log_prob - 0.01 * entropy + 0.0 * top1.to(log_prob.dtype)


def eager_terms(p: Problem) -> Tensor:
    log_p = fill(p).log_softmax(1)
    log_prob = log_p.gather(1, p.moves[:, None]).squeeze(1)
    return terms_loss(log_prob, entropy_of(p, log_p), log_p.argmax(1) == p.moves)


def eager_cross_entropy(p: Problem) -> Tensor:
    return torch.nn.functional.cross_entropy(fill(p), p.moves, reduction="none")


def eager_ragged(p: Problem) -> Tensor:
    offsets, indices, probabilities = p.ragged
    owner = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=offsets.device), offsets.diff())
    taken = fill(p).log_softmax(1)[owner, indices.long()]
    zeros = torch.zeros(len(offsets) - 1, dtype=taken.dtype, device=taken.device)
    return zeros.index_add(0, owner, -probabilities.to(taken.dtype) * taken)


def eager_sample(p: Problem) -> tuple[Tensor, Tensor, Tensor]:
    log_p = fill(p).log_softmax(1)
    moves = torch.multinomial(log_p.exp().float(), 1)
    return moves, log_p.gather(1, moves), entropy_of(p, log_p)


def liger_softmax(p: Problem) -> Tensor:
    from liger_kernel.transformers.functional import liger_softmax  # type: ignore[import-not-found]

    result: Tensor = liger_softmax(fill(p))
    return result


FAMILY: dict[str, list[Contender]] = {
    "masked_softmax": [
        Contender("ours", lambda p: kernels.masked_softmax(p.logits, legal=p.words)),
        Contender("bool mask", lambda p: kernels.masked_softmax(p.logits, legal=p.legal)),
        Contender("eager", lambda p: fill(p).softmax(1)),
        Contender("compiled", lambda p: fill(p).softmax(1), compile=True),
        Contender("renormalised", lambda p: renormalised(p.logits, p.legal)),
        Contender("Liger's softmax", liger_softmax, needs="liger_kernel"),
    ],
    "masked_log_softmax": [
        Contender("ours", lambda p: kernels.masked_log_softmax(p.logits, legal=p.words)),
        Contender("eager", lambda p: fill(p).log_softmax(1)),
    ],
    "masked_policy_terms": [
        Contender("ours", lambda p: terms_loss(*kernels.masked_policy_terms(p.logits, p.moves, legal=p.words))),
        Contender("eager", eager_terms),
        Contender("compiled", eager_terms, compile=True),
    ],
    "masked_entropy": [
        Contender("ours", lambda p: kernels.masked_entropy(p.logits, legal=p.words)),
        Contender("eager", lambda p: entropy_of(p, fill(p).log_softmax(1))),
    ],
    "masked_cross_entropy, index": [
        Contender("ours", lambda p: kernels.masked_cross_entropy(p.logits, p.moves, legal=p.words)),
        Contender("eager", eager_cross_entropy),
        Contender("compiled", eager_cross_entropy, compile=True),
    ],
    "masked_cross_entropy, dense": [
        Contender("ours", lambda p: kernels.masked_cross_entropy(p.logits, p.soft, legal=p.words)),
        Contender("eager", lambda p: -(p.soft * fill(p).log_softmax(1).masked_fill(~p.legal, 0.0)).sum(1)),
    ],
    "masked_cross_entropy, ragged": [
        Contender("ours", lambda p: kernels.masked_cross_entropy(p.logits, p.ragged, legal=p.words)),
        Contender("eager", eager_ragged, capturable=False),
    ],
    "masked_sample": [
        Contender(
            "ours", lambda p: kernels.masked_sample(p.logits, legal=p.words, seed=1, row_keys=p.keys), gradient=False
        ),
        Contender("eager", eager_sample, gradient=False),
    ],
    "legal_log_probs": [
        Contender("ours", lambda p: kernels.legal_log_probs(p.logits, legal=p.words, width=218), gradient=False),
        Contender("eager", lambda p: fill(p).log_softmax(1)[p.legal], gradient=False, capturable=False),
    ],
    "invalid_mass": [
        Contender("ours", lambda p: kernels.invalid_mass(p.logits, legal=p.words), gradient=False),
        Contender("eager", lambda p: p.logits.abs().masked_fill(p.legal, 0.0).sum(1), gradient=False),
    ],
    "pack_legal": [Contender("ours", lambda p: kernels.pack_legal(p.legal), gradient=False)],
}
"""Eager: `masked_fill` with -inf, then PyTorch's operators; compiled: `torch.compile` of that."""
