"""What this machine has, which path each part of ZeroMass takes on it and why, and what would limit a run."""

import contextlib
import json
import math
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from agent.compilation import base_folder, cache_folder
from agent.errors import InputError
from agent.networks.network import autocast_dtype
from kernels import resolve_backend
from kernels.ops.backend import triton_fault
from training.preflight import cuda_state, nvidia_driver

PACKAGES: Final = (
    "zeromass", "torch", "triton", "ray", "numba", "numpy", "chess", "tensorboard", "safetensors", "resvg-py",
)  # fmt: skip
_GIB = 2**30
_GROUPS = Path("/proc/self/cgroup")
_LIMITS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Report:
    """Everything that `zeromass doctor` says; its fields are the JSON keys."""

    device: str  # `cuda` or `cpu`: where networks are trained and, on `cuda`, where actors may evaluate
    device_name: str
    cuda: str  # what torch is built for, and NVIDIA's driver
    kernels_backend: str  # `triton` or `torch`, as the kernels resolve it for `device`
    inference_runtime: str
    """What evaluates the network that suits this machine: `graphs` are a residual network's CUDA graphs, `numba` is a
    sparse network inside the compiled search."""
    cores: int  # cores that this process may use: affinity and container limit considered
    memory_gib: float  # main memory that this process may use
    disk_free_gib: float  # below the current folder, where runs are written
    shared_memory_gib: float | None  # free in /dev/shm, where Ray keeps games and weights; None: there is no such thing
    compiled_code: str  # `cached`, or `missing`: the next start compiles
    compiled_code_folder: str
    python: str
    versions: dict[str, str]
    paths: tuple[dict[str, str], ...]  # each part of ZeroMass, the path it takes here, and the reason
    limits: tuple[str, ...]  # sentences, what would limit a run first


def doctor_command(as_json: bool) -> int:
    """`zeromass doctor`; returns the exit code. Raises as `examine`."""
    report = examine()
    print(json.dumps(asdict(report))) if as_json else _print(report)
    return 0


def examine(folder: Path = Path()) -> Report:
    """Look at this machine; `folder` is where runs would be written. An InputError where the environment asks for a
    kernels backend that cannot run here."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    try:
        backend = resolve_backend("auto", device)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"the kernels cannot run as asked: {error}") from error
    cores, cached = usable_cores(), _rules_cached()
    disk = shutil.disk_usage(folder).free / _GIB
    shared = shutil.disk_usage("/dev/shm").free / _GIB if Path("/dev/shm").is_dir() else None
    memory = usable_memory() / _GIB
    state, advice = cuda_state(torch.version.cuda, *nvidia_driver(), usable=cuda)
    return Report(
        device=device.type,
        device_name=torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
        cuda=state,
        kernels_backend=backend,
        inference_runtime="graphs" if cuda else "numba",
        cores=cores,
        memory_gib=round(memory, 1),
        disk_free_gib=round(disk, 1),
        shared_memory_gib=None if shared is None else round(shared, 2),
        compiled_code="cached" if cached else "missing",
        compiled_code_folder=str(base_folder()),
        python=platform.python_version(),
        versions=versions(),
        paths=_paths(cuda, backend, cores),
        limits=(*[advice] * bool(advice), *_limits(cuda, cores, memory, disk, shared, cached)),
    )


def versions() -> dict[str, str]:
    """Of the packages that ZeroMass builds on."""
    found = dict.fromkeys(PACKAGES, "not installed")
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def usable_cores() -> int:
    """Cores that this process may use: its affinity, or the container's quota (rounded up) where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _control_groups("cpu"):
        old = f"{_first_line(group / 'cpu.cfs_quota_us')} {_first_line(group / 'cpu.cfs_period_us')}"
        quota, _, period = (_first_line(group / "cpu.max") or old).partition(" ")
        if quota.isdigit() and period.isdigit():  # else there is none: `max` or -1
            cores = min(cores, max(math.ceil(int(quota) / int(period)), 1))
    return cores


def usable_memory() -> int:
    """Bytes of main memory, or of the container's limit where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = [group / name for group in _control_groups("memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return min([total, *(int(limit) for file in files if (limit := _first_line(file)).isdigit())])


def _control_groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups, of version 2 or 1, whose limits bind this process."""
    for line in _GROUPS.read_text().splitlines() if _GROUPS.exists() else ():
        _, controllers, name = line.split(":", 2)
        if controller in controllers.split(",") or not controllers:
            top = _LIMITS / controller if controllers else _LIMITS
            group = top / name.lstrip("/")
            yield from (group, *(above for above in group.parents if above.is_relative_to(top)))


def _paths(cuda: bool, backend: str, cores: int) -> tuple[dict[str, str], ...]:
    fault = triton_fault(torch.device("cuda")) if cuda else ""
    kernels_why = {
        ("triton", True): "a CUDA device is here and Triton runs on it",
        ("triton", False): "the environment asks for it; run by Triton's interpreter: for tests, slow",
        ("torch", True): f"Triton cannot run here: {fault}" if fault else "the environment asks for torch",
        ("torch", False): "no CUDA device, and Triton needs one; Numba and torch operators compute the same",
    }[backend, cuda]
    half = str(autocast_dtype(torch.device("cuda"))).removeprefix("torch.") if cuda else ""
    by_device = (
        ("learner", "cuda", f"a CUDA device is here: {half}"),
        ("network", "residual", "a GPU is at its best with convolutions in large batches"),
        ("search, residual network", "graphs", f"one CUDA graph a batch size, in {half}"),
    ) if cuda else (
        ("learner", "cpu", "no CUDA device: float32"),
        ("network", "sparse", "without a GPU it evaluates many times the positions a second; the config cpu has one"),
        ("search, residual network", "eager", "plain torch: CUDA graphs need CUDA"),
    )  # fmt: skip
    paths = (
        ("kernels", backend, kernels_why),
        *by_device,
        ("search, sparse network", "Numba", "the whole search is one compiled call, the network inside it"),
        ("rules", "Numba", "compiled once, then read from the cache"),
        ("actors", f"Ray, {_cores(cores)}", "set selfplay.actors to use more or fewer"),
    )
    return tuple({"part": part, "path": path, "reason": reason} for part, path, reason in paths)


def _limits(cuda: bool, cores: int, memory: float, disk: float, shared: float | None, cached: bool) -> tuple[str, ...]:
    found = {
        "A residual network's convolutions are slow on the CPU: prefer network.kind=sparse here.": not cuda,
        f"Actors and learner take turns on {_cores(cores)}; more cores mean more games.": cores <= 2,
        f"{memory:.1f} GiB of memory: use one actor and a smaller replay.capacity.": memory < 4,
        f"{disk:.1f} GiB of free disk: checkpoints and games may fill it; set run.folder to a larger disk.": disk < 2,
        f"{shared or 0:.2f} GiB of shared memory: Ray's object store falls back to slow files.": (
            shared is not None and shared < 0.6
        ),
        "Compiled code is not cached yet: the first start takes up to a minute longer.": not cached,
    }
    return tuple(sentence for sentence, applies in found.items() if applies)


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _rules_cached() -> bool:
    from agent.rules import batch, games, movegen

    modules = (batch, games, movegen)
    folders = [cache_folder(Path(module.__file__)) for module in modules if module.__file__]
    return all(any(folder.glob("**/*.nbc")) for folder in folders)


def _first_line(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""


def _print(report: Report) -> None:
    console = Console()
    table = Table("part", "path here", "why", title="Which path each part takes", title_justify="left")
    for path in report.paths:
        table.add_row(*path.values())
    console.print(table)
    machine = Table(show_header=False, title="This machine", title_justify="left")
    shared = report.shared_memory_gib
    machine.add_row("device", f"{report.device} ({report.device_name})")
    machine.add_row("CUDA", report.cuda)
    machine.add_row("cores", str(report.cores))
    machine.add_row("memory", f"{report.memory_gib} GiB")
    machine.add_row("free disk", f"{report.disk_free_gib} GiB")
    machine.add_row("free shared memory", "none" if shared is None else f"{shared} GiB")
    machine.add_row("compiled code", f"{report.compiled_code}, in {report.compiled_code_folder}")
    machine.add_row("versions", ", ".join(f"{name} {number}" for name, number in report.versions.items()))
    console.print(machine)
    console.print("What would limit a run:" if report.limits else "Nothing here limits a run in particular.")
    for limit in report.limits:
        console.print(f"  - {limit}")
