"""How benchmarks measure: speeds, contenders in turn, threads, and programs under another interpreter."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import torch


def rate(call: Callable[[], int], seconds: float) -> float:
    """Sum of what `call` returns, a second; it is called at least once."""
    total, started = 0, perf_counter()
    while not total or perf_counter() - started < seconds:
        total += call()
    return total / (perf_counter() - started)


def in_turn(
    contenders: Mapping[str, Callable[[], float | None]], rounds: int, progress: Callable[[str], None]
) -> dict[str, list[float]]:
    """What each contender measures, one value a round; they take turns, so that a slow moment hits all.

    One that returns None cannot be measured here and is left out.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds} ...")
        for name, measure in contenders.items():
            value = measure() if name in found else None
            if value is not None:
                found[name].append(value)
            elif found.pop(name, None) is not None:
                progress(f"{name} is not installed: left out")
    return found


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def peer(python: str, script: Path, *arguments: str) -> float | None:
    """The figure that a script prints in a process of its own; None where what it measures is not installed."""
    run = subprocess.run([python, str(script), *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{script.name} {' '.join(arguments)} under {python} failed: {run.stderr.strip()[-500:]}")
    figure = json.loads(run.stdout)
    return None if figure is None else float(figure)
