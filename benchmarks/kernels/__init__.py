"""Every masked op against what one would write without it: `zeromass benchmark kernels`.

On a CPU: the CPU path against eager PyTorch and `torch.compile`, forward and backward in one. With a GPU: the Triton
kernels against the same and, where it is installed, Liger; without and with backward, each eager, which shows what the
launches cost, and as a CUDA graph with a cold cache, which shows the kernels alone. Of `masked_softmax` the bytes that
it requests are compared with a copy's. What the Triton kernels compile to is read by `benchmarks.kernels.static`."""

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import BeforeValidator, Field
from rich.table import Table
from torch import Tensor

from agent.settings import Section
from benchmarks.kernels.contenders import FAMILY, Problem, problem
from benchmarks.measuring import Figures, Found, Progress, in_turn, read_settings, split, table

SECONDS = 0.5  # about how long the contenders of one op take turns in one case; they have 3 to 100 rounds
CACHE: Final = 2**28  # bytes, more than any GPU's L2 cache


class Cases(Section):
    """What is measured, each with each; few on a GPU too, where `torch.compile` takes most of the minutes."""

    rows: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(split)] = ()  # 256; on a GPU to 65,536
    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(split)] = (1880,)
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], BeforeValidator(split)] = (0.02, 1.0)
    dtypes: Annotated[tuple[Literal["float32", "bfloat16", "float16"], ...], BeforeValidator(split)] = ("float32",)


def take_turns(
    calls: Mapping[str, Callable[[], Any]], device: torch.device, *, cold: bool = False
) -> dict[str, list[float]]:
    """Microseconds of each call, one a round, after a warm-up of two. `cold`: the GPU's cache is emptied before."""
    flushed = torch.empty(CACHE if cold else 0, dtype=torch.uint8, device=device)
    time_of = partial(_cuda_time, flushed) if device.type == "cuda" else _time
    timed = {name: partial(time_of, call) for name, call in calls.items()}
    in_turn(timed, 1)
    round_took = sum(times[0] for times in in_turn(timed, 1).values())
    return in_turn(timed, min(max(round(SECONDS * 1e6 / round_took), 3), 20 if cold else 100))


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


def _cuda_time(flushed: Tensor, call: Callable[[], Any]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    # While the cache is filled the host goes ahead, so a cold call does not wait for its launch; a warm one does.
    flushed.zero_() if len(flushed) else torch.cuda.synchronize(flushed.device)
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


def requested(given: Problem) -> dict[str, int]:
    """Bytes that `masked_softmax` asks for: whole results, legality, and of what it reads groups of eight columns with
    a legal entry (of which a cache fetches more)."""
    padded = torch.nn.functional.pad(given.legal, (0, -given.legal.shape[1] % 8))
    read = int(padded.view(len(padded), -1, 8).any(2).sum()) * 8 * given.logits.element_size()
    forward = read + given.words.nbytes + given.logits.nbytes
    return {"forward": forward, "with backward": 2 * forward + read}  # p and its gradient are read, dx written


def run(overrides: Sequence[str] = (), progress: Progress = lambda line: None) -> Found:
    """Measure every op for each of the `Cases`. A ratio is the rival's time to ours: above 1, ours is faster. What does
    not fit into the memory of the GPU is left out, and said."""
    asked = read_settings(Cases, "kernels", overrides)
    gpu = torch.cuda.is_available()
    device, figures = torch.device("cuda" if gpu else "cpu"), Figures()
    bandwidth = copy_bandwidth(device)
    figures.add("copy", device.type, [bandwidth / 1e3], "GB/s")
    rows = asked.rows or ((256, 4096, 65536) if gpu else (256,))
    for dtype, size, count, share in product(asked.dtypes, asked.sizes, rows, asked.shares):
        shape = f"{count} x {size}, {share:.0%}" + (f", {dtype}" if dtype != "float32" else "")
        progress(f"{shape} ...")
        with _if_it_fits(shape, progress):
            given = problem(count, size, share, getattr(torch, dtype), device)
            for op in FAMILY:
                with _if_it_fits(f"{shape}: {op}", progress):
                    measure(figures, shape, op, given, bandwidth)
    name = torch.cuda.get_device_name() if gpu else "cpu"
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__, **figures.found}


@contextmanager
def _if_it_fits(what: str, progress: Progress) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        progress(f"{what} does not fit into the memory of the GPU: left out")


def measure(figures: Figures, shape: str, op: str, given: Problem, bandwidth: float) -> None:
    """One op on one problem. Calls take turns; a graph holds the memory of its call, so graphs come one by one."""
    device = given.logits.device
    gpu = device.type == "cuda"
    contenders = [one for one in FAMILY[op] if not one.needs or (gpu and importlib.util.find_spec(one.needs))]
    prepared = {one.name: one.prepare(given) for one in contenders}
    parts = list(prepared["ours"])
    for part, mode in product(parts if gpu else parts[-1:], ("eager", "graph") if gpu else ("eager",)):
        case = f"{shape}, {part}, {mode}" if gpu else shape
        calls = {one.name: prepared[one.name][part] for one in contenders if one.capturable or mode != "graph"}
        if mode == "graph":
            timings = {
                name: take_turns({name: captured(call)}, device, cold=True)[name] for name, call in calls.items()
            }
        else:
            timings = take_turns(calls, device)
        for name, times in timings.items():
            cuts = statistics.quantiles(times, n=5)
            figures.add(case, name, times, "us", op=op, p20=cuts[0], p80=cuts[3])
            if name != "ours":
                rounds = min(len(times), len(timings["ours"]))
                figures.ratio(case, name, times[:rounds], timings["ours"][:rounds], op=op)
        if op == "masked_softmax" and mode == "graph":
            fraction = requested(given)[part] / statistics.median(timings["ours"]) / bandwidth
            figures.add(case, "share of a copy", [fraction], "", op=op)


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
