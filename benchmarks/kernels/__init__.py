"""Every masked op against what one would write without it, in one run on one machine.

    zeromass benchmark kernels [--json]
    python -m benchmarks.kernels [--json] [--rows 256 4096] [--sizes 1880] [--shares 0.02] [--dtypes float32]

On a CPU: the CPU path against eager PyTorch and `torch.compile`, forward and backward. With a GPU: the Triton kernels
against the same and, where it is installed, Liger, each eager and captured in a CUDA graph, with the share of a copy's
bandwidth measured in the same run. What the Triton kernels compile to is read by `benchmarks.kernels.static`.

Contenders take turns, round after round, so that a slow moment hits all of them; medians are compared. Numbers of
different machines or runs are not comparable, ratios roughly are.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import torch
from rich.table import Table

from benchmarks.kernels.contenders import FAMILY, Contender, Problem, problem
from benchmarks.tables import figure, matrix, ratio

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SECONDS = 0.5
"""Of the rounds of one op in one case, at most; at least `LEAST_ROUNDS` are made, and at most `MOST_ROUNDS`."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 100


class Timing(NamedTuple):
    """Microseconds a call."""

    median: float
    p20: float
    p80: float


def take_turns(calls: dict[str, Callable[[], Any]], device: torch.device) -> dict[str, Timing]:
    """Time each call once a round, in turns, after a warm-up of two."""
    for call in calls.values():
        for _ in range(2):
            call()
    seen: dict[str, list[float]] = {name: [] for name in calls}
    ends = time.perf_counter() + SECONDS
    for done in range(MOST_ROUNDS):
        if done >= LEAST_ROUNDS and time.perf_counter() > ends:
            break
        for name, call in calls.items():
            seen[name].append(_once(call, device))
    cuts = {name: statistics.quantiles(times, n=5) for name, times in seen.items()}
    return {name: Timing(statistics.median(seen[name]), cuts[name][0], cuts[name][3]) for name in calls}


def _once(call: Callable[[], Any], device: torch.device) -> float:
    if device.type != "cuda":
        start = time.perf_counter()
        call()
        return (time.perf_counter() - start) * 1e6
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
    return 2 * 2**28 / take_turns({"copy": lambda: target.copy_(source)}, device)["copy"].median


def run(
    rows: Sequence[int] = (),
    sizes: Sequence[int] = (),
    shares: Sequence[float] = (),
    dtypes: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure every op for each combination of batch size, columns, share of legal entries and dtype.

    Returns:
        {"results": [{name, value, unit, ...}], "ratios": [{name, value, ...}], ...}. A ratio is the rival's median over
        ours: above 1, ours is faster.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpu = device.type == "cuda"
    results: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []
    bandwidth = copy_bandwidth(device)
    results.append({"name": "copy", "value": bandwidth / 1e3, "unit": "GB/s"})
    cases = product(
        dtypes or (("float32", "bfloat16") if gpu else ("float32",)),
        sizes or ((1880, 32768) if gpu else (1880,)),
        rows or ((256, 4096, 65536) if gpu else (256,)),
        shares or (0.02, 1.0),
    )
    for dtype, size, count, share in cases:
        if count * size > 2**29:  # a float32 matrix of 2 GiB
            continue
        shape = f"{count} x {size}, {share:.0%}" + (f", {dtype}" if dtype != "float32" else "")
        if progress is not None:
            progress(f"{shape} ...")
        given = problem(count, size, share, DTYPES[dtype], device)
        for (op, contenders), mode in product(FAMILY.items(), ("eager", "graph") if gpu else ("eager",)):
            timings = take_turns(_calls(contenders, given, mode, device), device)
            case = f"{shape}, {mode}" if gpu else shape
            for name, timing in timings.items():
                where = {"op": op, "case": case, "contender": name}
                label = f"{op}, {case}: {name}"
                results.append({"name": label, "value": timing.median, "unit": "us", **timing._asdict(), **where})
                if name != "ours":
                    quotient = timing.median / timings["ours"].median
                    ratios.append({"name": f"{label} / ours", "value": quotient, **where})
            if op == "masked_softmax" and gpu:
                moved = 5 * count * size * given.logits.element_size()  # x, p; g, p again, dx
                fraction = moved / timings["ours"].median / bandwidth
                results.append({"name": f"{op}, {case}: share of a copy", "value": fraction, "unit": "1"})
    return {
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "results": results,
        "ratios": ratios,
    }


def _calls(
    contenders: list[Contender], given: Problem, mode: str, device: torch.device
) -> dict[str, Callable[[], Any]]:
    """The contenders that can run here, by name."""
    return {
        contender.name: captured(contender.prepare(given)) if mode == "graph" else contender.prepare(given)
        for contender in contenders
        if (not contender.needs or importlib.util.find_spec(contender.needs) is not None)
        and (not contender.gpu or device.type == "cuda")
        and (contender.capturable or mode != "graph")
    }


def show(figures: dict[str, Any]) -> list[str | Table]:
    """A matrix an op: microseconds, and the ratio to ours, by case and contender. And a summary."""
    quotients = {(row["op"], row["case"], row["contender"]): row["value"] for row in figures["ratios"]}
    matrices: dict[str, dict[str, dict[str, str]]] = {}
    for row in figures["results"]:
        if "op" not in row:
            continue
        cell = figure(row["value"])
        if (found := quotients.get((row["op"], row["case"], row["contender"]))) is not None:
            cell += f"  {ratio(found)}"
        matrices.setdefault(row["op"], {}).setdefault(row["case"], {})[row["contender"]] = cell
    eager = [row["value"] for row in figures["ratios"] if row["contender"] == "eager"]
    summary = (
        f"{figures['device']}, {figures['threads']} threads; rows x columns, share of legal entries. "
        f"The eager forms take [bold]{statistics.geometric_mean(eager):.3g}x[/bold] our time "
        f"(geometric mean of {len(eager)}, from {min(eager):.3g}x to {max(eager):.3g}x)."
    )
    return [*(matrix(op, rows, corner="us a call") for op, rows in matrices.items()), summary]
