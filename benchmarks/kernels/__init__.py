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
from typing import Any

import torch
from rich.table import Table

from benchmarks.kernels.contenders import FAMILY, problem
from benchmarks.measuring import Figures, Found, Progress, in_turn, table

SECONDS = 0.5  # about how long the contenders of one op take turns in one case; they have 3 to 100 rounds


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
