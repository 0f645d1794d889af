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
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field
from rich.table import Table

from agent.settings import Section
from benchmarks.kernels.contenders import FAMILY, Problem, problem
from benchmarks.measuring import Figures, Found, Progress, in_turn, read_settings, split, table

SECONDS = 0.5  # about how long the contenders of one op take turns in one case; they have 3 to 100 rounds


def take_turns(
    calls: Mapping[str, Callable[[], Any]], device: torch.device, rounds: int | None = None
) -> dict[str, list[float]]:
    """Microseconds of each call, one a round, after a warm-up of two; `rounds`: as many as `SECONDS` allow."""
    timed = {name: partial(_cuda_time if device.type == "cuda" else _time, call) for name, call in calls.items()}
    in_turn(timed, 1)
    round_took = sum(times[0] for times in in_turn(timed, 1).values())
    return in_turn(timed, rounds or min(max(round(SECONDS * 1e6 / round_took), 3), 100))


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


class Cases(Section):
    """What is measured, each with each; few on a GPU too, where `torch.compile` takes most of the time."""

    rows: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(split)] = ()  # 256; on a GPU to 65,536
    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(split)] = (1880,)
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], BeforeValidator(split)] = (0.02, 1.0)
    dtypes: Annotated[tuple[Literal["float32", "bfloat16", "float16"], ...], BeforeValidator(split)] = ("float32",)


def run(overrides: Sequence[str] = (), progress: Progress = lambda line: None) -> Found:
    """Measure every op for each of the `Cases`. A ratio is the rival's time to ours: above 1, ours is faster. A case
    that does not fit into the memory of the GPU is left out, and said."""
    asked = read_settings(Cases, "kernels", overrides)
    gpu = torch.cuda.is_available()
    device, figures = torch.device("cuda" if gpu else "cpu"), Figures()
    bandwidth = copy_bandwidth(device)
    figures.add("copy", device.type, [bandwidth / 1e3], "GB/s")
    rows = asked.rows or ((256, 4096, 65536) if gpu else (256,))
    for dtype, size, count, share in product(asked.dtypes, asked.sizes, rows, asked.shares):
        shape = f"{count} x {size}, {share:.0%}" + (f", {dtype}" if dtype != "float32" else "")
        progress(f"{shape} ...")
        try:
            measure(figures, shape, problem(count, size, share, getattr(torch, dtype), device), bandwidth)
        except torch.OutOfMemoryError:
            progress(f"{shape} does not fit into the memory of the GPU: left out")
    name = torch.cuda.get_device_name() if gpu else "cpu"
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__, **figures.found}


def measure(figures: Figures, shape: str, given: Problem, bandwidth: float) -> None:
    """Every op on one problem. Calls take turns; a graph holds the memory of its call, so graphs come one by one."""
    device = given.logits.device
    gpu = device.type == "cuda"
    for (op, contenders), mode in product(FAMILY.items(), ("eager", "graph") if gpu else ("eager",)):
        case = f"{shape}, {mode}" if gpu else shape
        calls = {
            contender.name: contender.prepare(given)
            for contender in contenders
            if (not contender.needs or (gpu and importlib.util.find_spec(contender.needs) is not None))
            and (contender.capturable or mode != "graph")
        }
        if mode == "graph":
            timings = {name: take_turns({name: captured(call)}, device, 10)[name] for name, call in calls.items()}
        else:
            timings = take_turns(calls, device)
        for name, times in timings.items():
            cuts = statistics.quantiles(times, n=5)
            figures.add(case, name, times, "us", op=op, p20=cuts[0], p80=cuts[3])
            if name != "ours":
                figures.ratio(case, name, times, timings["ours"], op=op)
        if op == "masked_softmax" and gpu:
            moved = 5 * given.logits.nbytes  # x, p; g, p again, dx
            fraction = moved / statistics.median(timings["ours"]) / bandwidth
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
