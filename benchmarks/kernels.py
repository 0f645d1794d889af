"""Every masked op against what one would write without it, in one run on one machine.

    python -m benchmarks.kernels [--json] [--rows 256] [--size 1880] [--share 0.02] [--dtype float32]
                                 [--no-compile] [--no-static]

On a CPU: the CPU path against eager PyTorch, `torch.where` and `torch.compile`, forward and backward, and then what the
Triton kernels compile to (`kernels_static`). With a GPU: the Triton kernels against the same and, where it is
installed, Liger, each eager and captured in a CUDA graph, with the share of a copy's bandwidth measured in the same
run.

Contenders take turns, round after round, so that a slow moment hits all of them; medians are compared. On a CPU each is
then measured "alone" as well, its rounds in one block: in turn every call finds the caches full of its rivals' data.
Numbers of different machines or runs are not comparable, ratios roughly are.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

import kernels
from benchmarks.kernels_contenders import FAMILY, Contender, Problem, problem

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Grid(NamedTuple):
    """What is measured where nothing else is asked for."""

    rows: tuple[int, ...]
    sizes: tuple[int, ...]
    shares: tuple[float, ...]
    dtypes: tuple[str, ...]


CPU_GRID = Grid((256,), (1880,), (0.02, 1.0), ("float32",))
GPU_GRID = Grid((64, 256, 1024, 4096, 16384, 65536), (218, 1880, 4672, 32768), (0.02, 1.0), tuple(DTYPES))


class Timing(NamedTuple):
    """Microseconds a call."""

    median: float
    p20: float
    p80: float


def take_turns(
    calls: dict[str, Callable[[], Any]], rounds: int, device: torch.device, *, alone: bool = False
) -> dict[str, Timing]:
    """Time each call once a round, in turns (or all its rounds in one block), after a warm-up of three."""
    for call in calls.values():
        for _ in range(3):
            call()
    turns = [name for name in calls for _ in range(rounds)] if alone else list(calls) * rounds
    seen: dict[str, list[float]] = {name: [] for name in calls}
    for name in turns:
        seen[name].append(_once(calls[name], device))
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
    return 2 * 2**28 / take_turns({"copy": lambda: target.copy_(source)}, 20, device)["copy"].median


def run(
    rows: tuple[int, ...] | None = None,
    sizes: tuple[int, ...] | None = None,
    shares: tuple[float, ...] | None = None,
    dtypes: tuple[str, ...] | None = None,
    rounds: int = 100,
    compiled: bool = True,
    static: bool = True,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure; return {"results": [{name, value, unit}], "ratios": [{name, value}], ...}.

    `progress` gets lines of a table.

    A ratio is the rival's median over ours: above 1, ours is faster.
    """
    say = progress or (lambda line: None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    grid = GPU_GRID if device.type == "cuda" else CPU_GRID
    results: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "liger": _version("liger_kernel")},
        "results": results,
        "ratios": ratios,
    }
    bandwidth = copy_bandwidth(device)
    results.append({"name": "copy", "value": bandwidth / 1e3, "unit": "GB/s"})
    cases = [
        (count, size, share, dtype)
        for dtype in dtypes or grid.dtypes
        for size in sizes or grid.sizes
        for count in rows or grid.rows
        for share in shares or grid.shares
        if count * size <= 2**29  # a float32 matrix of 2 GiB
    ]
    for count, size, share, dtype in cases:
        given = problem(count, size, share, DTYPES[dtype], device)
        for op, contenders in FAMILY.items():
            label = f"{op} B={count} N={size} legal={share:.0%} {dtype}"
            say(label)
            modes = ("eager", "graph") if device.type == "cuda" else ("eager", "alone")
            calls: dict[str, Callable[[], Any]] = {}
            for mode in modes:
                if mode != "alone":
                    calls = _calls(contenders, given, compiled, mode, device)
                timings = take_turns(calls, rounds, device, alone=mode == "alone")
                ours = timings["ours"]
                for name, timing in timings.items():
                    key = f"{label} {mode} {name}"
                    results.append({"name": key, "value": timing.median, "unit": "us", **timing._asdict()})
                    say(f"  {mode:6}{name:34}{timing.median:10.1f} us  ({timing.p20:.1f} to {timing.p80:.1f})")
                    if name != "ours":
                        ratios.append({"name": f"{key} / ours", "value": timing.median / ours.median})
                        say(f"  {'':40}{timing.median / ours.median:10.2f} x ours")
                if op == "masked_softmax" and device.type == "cuda":
                    moved = 5 * count * size * given.logits.element_size()  # x, p; g, p again, dx
                    share_of_copy = moved / ours.median / bandwidth
                    results.append({"name": f"{label} {mode} share of a copy", "value": share_of_copy, "unit": "1"})
    if static and device.type != "cuda":
        _static(results, say)
    return found


def _calls(
    contenders: list[Contender], given: Problem, compiled: bool, mode: str, device: torch.device
) -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {}
    for contender in contenders:
        if contender.needs and importlib.util.find_spec(contender.needs) is None:
            continue
        if (contender.compile and not compiled) or (contender.gpu and device.type != "cuda"):
            continue
        torch._dynamo.reset()
        call = contender.prepare(given)
        if mode == "graph":
            if not contender.capturable:
                continue
            call = captured(call)
        calls[contender.name] = call
    return calls


def _static(results: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Add the static report, where Triton can compile."""
    from kernels.backend import triton_installed

    if not triton_installed() or os.environ.get("TRITON_INTERPRET") == "1":
        say("static report: left out, for it needs triton without TRITON_INTERPRET=1")
        return
    from benchmarks.kernels_static import TRAFFIC, report, table, traffic

    say("what the Triton kernels compile to")
    rows = report()
    for line in table(rows):
        say(line)
    for row in rows:
        name = f"static {row.target} {row.kernel} {row.dtype}"
        results.append({"name": f"{name} registers", "value": row.registers, "unit": "1"})
        results.append({"name": f"{name} spills", "value": row.spill_bytes, "unit": "B"})
        results.append({"name": f"{name} shared", "value": row.shared_bytes, "unit": "B"})
    for kernel in TRAFFIC:
        for key, value in traffic(kernel, 1880, 4).items():
            results.append({"name": f"bytes a row {kernel} float32 {key}", "value": value, "unit": "B"})


def _version(package: str) -> str:
    return "installed" if importlib.util.find_spec(package) else "not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description="the masked ops against what one would write without them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, nargs="+", help="batch sizes")
    parser.add_argument("--size", type=int, nargs="+", help="columns")
    parser.add_argument("--share", type=float, nargs="+", help="shares of legal entries")
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out (it takes minutes)")
    parser.add_argument("--no-static", action="store_true", help="leave the static report out")
    options = parser.parse_args()

    def lists(values: list[Any] | None) -> tuple[Any, ...] | None:
        return tuple(values) if values else None

    kernels.reset_launches()
    found = run(
        lists(options.rows), lists(options.size), lists(options.share), lists(options.dtype), options.rounds,
        not options.no_compile, not options.no_static, (lambda line: None) if options.json else print,
    )  # fmt: skip
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
