"""Every masked op against what one would write without it: `zeromass benchmark kernels`.

On a CPU: the CPU path against eager PyTorch and `torch.compile`, forward and backward. With a GPU: the Triton kernels
against the same and, where it is installed, Liger, each eager and captured in a CUDA graph, with the share of a copy's
bandwidth measured in the same run. What the Triton kernels compile to is read by `benchmarks.kernels.static`.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import torch
from rich.table import Table
from torch import Tensor

import kernels
from benchmarks.measuring import Figures, Found, Progress, in_turn, table
from kernels.ops.alternatives import renormalised

SECONDS = 0.5  # about how long the contenders of one op take turns in one case; they have 3 to 100 rounds


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

    def prepare(self, given: Problem) -> Callable[[], Any]:
        if self.compile:
            torch._dynamo.reset()
        forward = torch.compile(self.call, fullgraph=True, dynamic=False) if self.compile else self.call
        if not self.gradient:
            with_no_grad = torch.no_grad()(forward)
            return lambda: with_no_grad(given)

        def step() -> Tensor:
            result = forward(given)
            upstream = given.gradient if result.dim() == 2 else given.gradient[:, 0]
            (gradient,) = torch.autograd.grad(result, given.logits, upstream.to(result.dtype))
            return gradient

        return step


def problem(rows: int, size: int, share: float, dtype: torch.dtype, device: torch.device) -> Problem:
    """Draw a batch with round(share * size) legal entries a row."""
    generator = torch.Generator().manual_seed(0)
    count = max(1, round(share * size))
    legal = torch.full((rows, size), count == size)
    for first in range(0, rows if count < size else 0, 1024):
        part = torch.rand(min(1024, rows - first), size, generator=generator)
        legal[first : first + 1024].scatter_(1, part.topk(count, 1).indices, True)
    weights = torch.rand(rows, size, generator=generator) * legal
    soft = (weights / weights.sum(1, keepdim=True)).to(device)
    legal = legal.to(device)
    offsets = torch.arange(rows + 1, device=device) * count
    ragged = kernels.RaggedTargets(offsets, legal.nonzero()[:, 1].to(torch.uint16), soft[legal].half())
    return Problem(
        torch.randn(rows, size, generator=generator).to(device, dtype).requires_grad_(),
        legal,
        kernels.pack_legal(legal),
        soft.argmax(1),
        soft,
        ragged,
        torch.randn(rows, size, generator=generator).to(device, dtype),
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


def take_turns(calls: Mapping[str, Callable[[], Any]], device: torch.device) -> dict[str, list[float]]:
    """Microseconds of each call, one a round, after a warm-up of two."""
    timed = {name: partial(_cuda_time if device.type == "cuda" else _time, call) for name, call in calls.items()}
    in_turn(timed, 1)
    round_took = sum(times[0] for times in in_turn(timed, 1).values())
    return in_turn(timed, min(max(round(SECONDS * 1e6 / round_took), 3), 100))


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


def _cuda_time(call: Callable[[], Any]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) * 1e3


def captured(call: Callable[[], Any]) -> Callable[[], Any]:
    """Return the replay of a CUDA graph of `call`: the kernels without their launches from Python."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a microsecond that a copy of 256 MiB reads and writes."""
    source = torch.empty(2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * 2**28 / statistics.median(take_turns({"copy": lambda: target.copy_(source)}, device)["copy"])


def run(
    rows: Sequence[int] = (),
    sizes: Sequence[int] = (),
    shares: Sequence[float] = (),
    dtypes: Sequence[torch.dtype] = (),
    progress: Progress = lambda line: None,
) -> Found:
    """Measure every op for each combination of batch size, columns, share of legal entries and dtype. A ratio is the
    rival's time to ours: above 1, ours is faster."""
    gpu = torch.cuda.is_available()
    device, figures = torch.device("cuda" if gpu else "cpu"), Figures()
    bandwidth = copy_bandwidth(device)
    figures.add("copy", device.type, [bandwidth / 1e3], "GB/s")
    cases = product(
        dtypes or ((torch.float32, torch.bfloat16) if gpu else (torch.float32,)),
        sizes or ((1880, 32768) if gpu else (1880,)),
        rows or ((256, 4096, 65536) if gpu else (256,)),
        shares or (0.02, 1.0),
    )
    for dtype, size, count, share in cases:
        if count * size > 2**29:  # a float32 matrix of 2 GiB
            continue
        shape = f"{count} x {size}, {share:.0%}" + (f", {str(dtype)[6:]}" if dtype != torch.float32 else "")
        progress(f"{shape} ...")
        given = problem(count, size, share, dtype, device)
        for (op, contenders), mode in product(FAMILY.items(), ("eager", "graph") if gpu else ("eager",)):
            case = f"{shape}, {mode}" if gpu else shape
            calls = {
                contender.name: captured(contender.prepare(given)) if mode == "graph" else contender.prepare(given)
                for contender in contenders
                if (not contender.needs or (gpu and importlib.util.find_spec(contender.needs) is not None))
                and (contender.capturable or mode != "graph")
            }
            timings = take_turns(calls, device)
            for name, times in timings.items():
                cuts = statistics.quantiles(times, n=5)
                figures.add(case, name, times, "us", op=op, p20=cuts[0], p80=cuts[3])
                if name != "ours":
                    figures.ratio(case, name, times, timings["ours"], op=op)
            if op == "masked_softmax" and gpu:
                moved = 5 * count * size * given.logits.element_size()  # x, p; g, p again, dx
                fraction = moved / statistics.median(timings["ours"]) / bandwidth
                figures.add(case, "share of a copy", [fraction], "", op=op)
    name = torch.cuda.get_device_name() if gpu else "cpu"
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__, **figures.found}


def show(found: Found) -> list[Table | str]:
    """A table an op: microseconds, and in bold the ratio to ours, by case and contender. And a summary."""
    eager = [row["value"] for row in found["ratios"] if row["contender"] == "eager"]
    summary = (
        f"{found['device']}, {found['threads']} threads; rows x columns, share of legal entries. "
        f"The eager forms take [bold]{statistics.geometric_mean(eager):.3g}x[/bold] our time "
        f"(geometric mean of {len(eager)}, from {min(eager):.3g}x to {max(eager):.3g}x)."
    )
    by_op = {
        op: {kind: [row for row in found[kind] if row.get("op") == op] for kind in ("results", "ratios")}
        for op in FAMILY
    }
    return [*(table(by_op[op], op, "us a call") for op in FAMILY), summary]
