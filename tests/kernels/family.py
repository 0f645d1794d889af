"""The whole family as data: how each op is called, and what float64 arithmetic on the legal entries alone expects.

The reference never sees a mask: it gathers a row's legal logits into a short vector and lets PyTorch differentiate
there, so it shares no formula and no masking with the code under test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

import kernels

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SEED, WIDTH = 77, 12


@dataclass
class Case:
    logits: Tensor  # [B, N]
    legal: Tensor  # any form that the ops take
    mask: Tensor  # the same, bool [B, N]
    targets: Tensor  # int64 [B], legal where a row has a legal entry, else -1
    soft: Tensor  # [B, N], a distribution over the legal entries
    keys: Tensor  # int64 [B]
    # `soft` again, for function transforms, which cannot find its entries.
    stored: kernels.RaggedTargets | None = field(default=None, kw_only=True)

    def with_logits(self, logits: Tensor) -> Case:
        return replace(self, logits=logits)

    def row(self, i: int) -> Case:
        return self.each(lambda x: x if x.shape[0] == 1 else x[i : i + 1])

    def each(self, change: Callable[[Tensor], Tensor]) -> Case:
        return Case(*map(change, (self.logits, self.legal, self.mask, self.targets, self.soft, self.keys)))

    def ragged(self) -> kernels.RaggedTargets:
        if self.stored is not None:
            return self.stored
        counts = self.mask.sum(1)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return kernels.RaggedTargets(offsets, self.mask.nonzero()[:, 1].to(torch.uint16), self.soft[self.mask])


def make_case(
    rows: int, size: int, dtype: torch.dtype = torch.float32, *, seed: int = 0, poison: float | None = math.nan
) -> Case:
    """Rows in turn: no legal entry, one, a few, a fifth, all; `poison` at every illegal logit."""
    generator = torch.Generator().manual_seed(seed)
    shares = (0.0, None, 4 / size, 0.2, 1.0)
    mask = torch.zeros(rows, size, dtype=torch.bool)
    for i in range(rows):
        share = shares[i % len(shares)]
        if share is not None:
            mask[i] = torch.rand(size, generator=generator) < share
        if share != 0.0 and not mask[i].any():
            mask[i, int(torch.randint(size, (1,), generator=generator))] = True
    return finish_case(3 * torch.randn(rows, size, generator=generator), mask, dtype, generator, poison)


def finish_case(
    logits: Tensor, mask: Tensor, dtype: torch.dtype, generator: torch.Generator, poison: float | None = math.nan
) -> Case:
    rows, size = mask.shape
    if poison is not None:
        logits = logits.masked_fill(~mask, poison)
    logits = logits.to(dtype)
    weights = torch.rand(rows, size, generator=generator) * mask
    soft = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    targets = torch.where(mask.any(1), weights.argmax(1), -1)
    keys = torch.arange(rows) * 2**33 + 5
    # What float16 stores is what the reference must see, too.
    soft = soft.half().to(dtype if dtype == torch.float64 else torch.float32)
    mask = mask.to(DEVICE)
    return Case(logits.to(DEVICE), mask, mask, targets.to(DEVICE), soft.to(DEVICE), keys.to(DEVICE))


@dataclass(frozen=True)
class Op:
    """`run(case, backend)` gives its results; `expect(x, columns, taken, q)` those of a row from its legal logits x,
    their columns, which of them is the target, and the soft target there."""

    name: str
    run: Callable[[Case, str], tuple[Tensor, ...]]
    expect: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, ...]] | None = None
    fills: tuple[float, ...] = ()  # of each result that is a row of N: what stands at illegal entries


def _plain(name: str, expect: Callable[[Tensor], Tensor], *fills: float) -> Op:
    function = getattr(kernels, name)
    return Op(name, lambda c, b: (function(c.logits, legal=c.legal, backend=b),), lambda x, *_: (expect(x),), fills)


def _entropy(x: Tensor) -> Tensor:
    return -(x.softmax(0) * x.log_softmax(0)).sum()


Targets = Callable[[Case], Tensor | kernels.RaggedTargets]


def _loss(name: str, targets: Targets, soft: bool = False) -> Op:
    """`soft`: the targets stand for the distribution, not for the index."""

    def expect(x: Tensor, columns: Tensor, taken: Tensor, q: Tensor) -> tuple[Tensor]:
        return (-((q if soft else taken.double()) * x.log_softmax(0)).sum(),)

    return Op(
        name, lambda c, b: (kernels.masked_cross_entropy(c.logits, targets(c), legal=c.legal, backend=b),), expect
    )


_sample = partial(kernels.masked_sample, seed=SEED, temperature=0.5)
OPS = [
    _plain("masked_softmax", lambda x: x.softmax(0), 0.0),
    _plain("masked_log_softmax", lambda x: x.log_softmax(0), -math.inf),
    _plain("masked_entropy", _entropy),
    Op(
        "masked_policy_terms",
        lambda c, b: kernels.masked_policy_terms(c.logits, c.targets, legal=c.legal, backend=b),
        lambda x, columns, taken, q: (x.log_softmax(0)[taken].sum(), _entropy(x), taken[x.argmax()].double()),
    ),
    _loss("masked_cross_entropy", lambda c: c.targets),
    _loss("masked_cross_entropy, soft", lambda c: c.soft, True),
    _loss("masked_cross_entropy, ragged", lambda c: c.ragged(), True),
    Op(
        "legal_log_probs",
        lambda c, b: kernels.legal_log_probs(c.logits, legal=c.legal, width=WIDTH, backend=b),
        lambda x, columns, *_: (
            _padded(x.log_softmax(0), -math.inf),
            _padded(columns.double(), -1.0),
            torch.tensor(float(len(x))),
        ),
    ),
    Op("masked_sample", lambda c, b: _sample(c.logits, legal=c.legal, row_keys=c.keys, backend=b)),
]
DIFFERENTIABLE = [op for op in OPS if op.expect is not None]


def _padded(values: Tensor, fill: float) -> Tensor:
    return torch.cat([values, values.new_full((WIDTH,), fill)])[:WIDTH]


def run(op: Op, case: Case, backend: str) -> list[Tensor]:
    """Return the results and, last, where the op has one, the gradient of `objective` with respect to the logits."""
    logits = case.logits.detach().clone() if case.logits.is_contiguous() else case.logits.detach()
    logits.requires_grad_(op.expect is not None)
    results = list(op.run(case.with_logits(logits), backend))
    gradients = torch.autograd.grad(objective(results), logits) if op.expect is not None else ()
    return [*(result.detach() for result in results), *gradients]


def same_bits(some: Iterable[Tensor], others: Iterable[Tensor]) -> bool:
    """Whether tensors agree one by one, in type, shape and every bit."""
    return all(a.dtype == b.dtype and torch.equal(_bits(a), _bits(b)) for a, b in zip(some, others, strict=True))


def _bits(x: Tensor) -> Tensor:
    return x.contiguous().view({1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()])


def objective(results: list[Tensor]) -> Tensor:
    """A weighted sum of the finite entries: every row and column gets another weight."""
    total = torch.zeros((), dtype=torch.float64, device=results[0].device)
    for result in results:
        if result.requires_grad:
            weight = torch.linspace(0.5, 1.5, result.numel(), dtype=torch.float64, device=result.device)
            finite = torch.where(result.isfinite(), result, torch.zeros_like(result))
            total = total + (finite.double() * weight.view(result.shape)).sum()
    return total


def expected(op: Op, case: Case) -> tuple[list[Tensor], Tensor]:
    """What float64 on the legal entries alone gives: results as float64, and the gradient of `objective`."""
    assert op.expect is not None
    logits, mask = case.logits.detach().cpu().double(), case.mask.cpu()
    rows, size = mask.shape
    parts, inputs = list[tuple[Tensor, ...] | None](), list[Tensor]()
    for i in range(rows):
        columns = mask[i].nonzero()[:, 0]
        x = logits[i, columns].clone().requires_grad_()
        inputs.append(x)
        taken, q = columns == case.targets[i].cpu(), case.soft[i].cpu().double()[columns]
        parts.append(op.expect(x, columns, taken, q) if len(columns) else None)
    results = [
        torch.stack([_dense(op, parts[i], j, mask[i]) for i in range(rows)]) for j in range(len(op.run(case, "auto")))
    ]
    gradient = torch.zeros(rows, size, dtype=torch.float64)
    depend = [result for result in results if result.requires_grad]  # none, when every row is empty
    found = torch.autograd.grad(objective(depend), inputs, allow_unused=True) if depend else ()
    for i, part in enumerate(found):
        if part is not None:
            gradient[i, mask[i]] = part
    return [result.detach() for result in results], gradient


def _dense(op: Op, part: tuple[Tensor, ...] | None, j: int, mask: Tensor) -> Tensor:
    """Row of result j: entries to their columns, and the stated values for a row without a legal entry."""
    if op.fills:
        row = torch.full(mask.shape, op.fills[j], dtype=torch.float64)
        return row if part is None else row.masked_scatter(mask, part[j])
    if part is not None:
        return part[j].double()
    if op.name == "legal_log_probs" and j < 2:
        return torch.full((WIDTH,), (-math.inf, -1.0)[j], dtype=torch.float64)
    return torch.zeros((), dtype=torch.float64)
