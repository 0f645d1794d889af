"""Which runtime evaluates the residual network here: the fastest one, found by measuring once a machine.

| runtime | what it is | where |
|---|---|---|
| `eager` | torch as it comes; bfloat16 autocast on CUDA | everywhere |
| `channels_last` | the same with a square's channels together in memory | CPU |
| `packed` | oneDNN on packed weights, compiled loops between, float32 | CPU with oneDNN |
| `bfloat16` | the same in bfloat16 | CPU with oneDNN and AVX-512; fast with AMX or AVX-512 BF16 |
| `graphs` | bfloat16 in CUDA graphs with pinned staging | CUDA |

A position's result must not depend on the positions beside it, or one seed would not play the same games
twice. That is tried here on this machine's own kernels; a CPU runtime that fails is not chosen.

On a CPU `auto` takes bfloat16 only where the caller says that it may. A search's improved policy is a target
that no rounding of priors biases. But the policy gradient weighs a sampled move by the ratio of the
learner's probability to the actor's, and the learner is float32: in bfloat16 that ratio is off by a percent
before anything was learned.
"""

import contextlib
import copy
import hashlib
import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.compilation import base_folder, cache_folder, locked
from agent.errors import InputError
from agent.files import write_atomic
from agent.networks.evaluator import ChannelsLastEvaluator, Evaluator
from agent.networks.residual.graphs import GraphEvaluator
from agent.networks.residual.network import Network
from agent.networks.residual.packed import PackedEvaluator, packed_dtypes

AUTO: Final = "auto"
RUNTIMES: Final = ("eager", "channels_last", "packed", "bfloat16", "graphs")
"""What `auto` chooses among."""
BATCH: Final = 64
"""Positions evaluated at once while measuring: the games of one self-play actor."""
_SECONDS: Final = 0.15  # for each runtime
_FOLDER: Final = "runtimes"
_ANYWAY: Final = ("eager", "graphs")
"""May be taken when unsteady: something must be, and on CUDA no runtime is asked to be steady."""


@dataclass(frozen=True)
class Figures:
    """What was measured of one network on one machine."""

    machine: dict[str, str]
    """What the figures hold for: processor, torch, device, threads, architecture, our own sources."""
    positions_per_second: dict[str, float]
    """By runtime, in batches of 64, legal moves' logits and value; only those that run here."""
    unsteady: tuple[str, ...]
    """Runtimes whose rows depend on the batch they are in."""
    failed: dict[str, str] = field(default_factory=dict)
    """Runtimes that should run here and do not, with what torch said; `doctor` tells."""

    def fastest(self, *, reduced: bool) -> str:
        """The runtime to take; see the module for `reduced`, whether bfloat16 may be taken on a CPU."""
        rates = {
            name: rate
            for name, rate in self.positions_per_second.items()
            if (reduced or name != "bfloat16") and (name not in self.unsteady or name in _ANYWAY)
        }
        return max(rates, key=lambda name: rates[name])


def choose(network: Network, device: torch.device, *, reduced: bool) -> str:
    """The fastest runtime for `network` on `device`, measured at the first call on this machine."""
    return measured(network, device).fastest(reduced=reduced)


def make_runtime(name: str, network: Network, device: torch.device) -> Evaluator:
    """Evaluator of `network` on the runtime `name`, one of `RUNTIMES`.

    Raises:
        InputError: it is unknown, or does not run here.
    """
    check_runtime(name, device)
    return _makers(device)[name](network)


def check_runtime(name: str, device: torch.device) -> None:
    """Complain about a runtime that is unknown or does not run on `device`; `auto` always does.

    Raises:
        InputError: it is one of these.
    """
    if name not in (AUTO, *RUNTIMES):
        raise InputError(f"runtime '{name}' is unknown; choose one of {', '.join((AUTO, *RUNTIMES))}")
    if name != AUTO and name not in _makers(device):
        raise InputError(f"runtime '{name}' does not run on this machine's {device.type}; let 'auto' choose")


def measured(network: Network, device: torch.device) -> Figures:
    """Figures from the user's cache folder, or measured now (about a second) and kept there.

    Of several processes that ask at once one measures and the others wait for it.
    """
    machine = _machine(network, device)
    digest = hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16]
    file = base_folder() / _FOLDER / f"{digest}.json"
    with locked(base_folder() / "runtimes.lock"):
        figures = _read(file, machine)
        if figures is None:
            figures = _measure(network, device, machine)
            with contextlib.suppress(OSError):  # a full disk: then the next process measures again
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file, json.dumps(asdict(figures), indent=1).encode())
    return figures


def _makers(device: torch.device) -> dict[str, Callable[[Network], Evaluator]]:
    if device.type == "cuda":
        return {"eager": lambda net: Evaluator(net, device), "graphs": lambda net: GraphEvaluator(net, device)}
    makers: dict[str, Callable[[Network], Evaluator]] = {
        "eager": lambda net: Evaluator(net, device),
        "channels_last": ChannelsLastEvaluator,
    }
    dtypes = packed_dtypes()
    if torch.float32 in dtypes:
        makers["packed"] = PackedEvaluator
    if torch.bfloat16 in dtypes:
        makers["bfloat16"] = lambda net: PackedEvaluator(net, dtype=torch.bfloat16)
    return makers


def _measure(network: Network, device: torch.device, machine: dict[str, str]) -> Figures:
    positions, moves, counts = _positions()
    network = _every_part_heard(network)
    rates: dict[str, float] = {}
    unsteady = []
    failed: dict[str, str] = {}
    for name, make in _makers(device).items():
        try:
            evaluator = make(copy.deepcopy(network))
            steady = _steady(evaluator, positions, moves, counts)
        except RuntimeError as error:  # a driver or a build that lacks something
            if name == "eager":
                raise
            failed[name] = str(error).partition("\n")[0]
            continue
        if not steady:
            unsteady.append(name)
        times: list[float] = []
        started = perf_counter()
        while not times or perf_counter() - started < _SECONDS:
            before = perf_counter()
            evaluator.evaluate_legal(positions, moves, counts)
            times.append(perf_counter() - before)
        # The quickest: whatever else runs on the machine only makes calls slower.
        rates[name] = round(BATCH / min(times), 1)
    return Figures(machine, rates, tuple(unsteady), failed)


def _every_part_heard(network: Network) -> Network:
    """A copy whose residual branches count: in a fresh network they do not, and would hide how they round."""
    copied = copy.deepcopy(network)
    for parameter in copied.parameters():
        if parameter.ndim == 0:
            torch.nn.init.constant_(parameter, 0.5)
    return copied


def _steady(
    evaluator: Evaluator, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
) -> bool:
    """Whether rows are the same, to the bit, in batches of other sizes and at other places."""
    whole = evaluator.evaluate_legal(positions, moves, counts)
    for low, high in ((0, 1), (3, 5), (1, 17), (8, 41), (1, BATCH)):
        part = evaluator.evaluate_legal(positions[low:high], moves[low:high], counts[low:high])
        legal = np.arange(part.logits.shape[1]) < counts[low:high, None]
        same = part.logits == whole.logits[low:high, : part.logits.shape[1]]
        if not same[legal].all() or not np.array_equal(part.values, whole.values[low:high]):
            return False
    return True


def _positions() -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.int32]]:
    """64 positions of random play with their legal moves; always the same."""
    rng, games = np.random.default_rng(1), rules.Games(BATCH)
    for _ in range(16):
        moves, counts = rules.legal_moves(games.positions)
        games.play(moves[np.arange(BATCH), rng.integers(counts)])
        games.reset(games.outcome() != 0)
    moves, counts = rules.legal_moves(games.positions)
    return games.positions, moves, counts


def _machine(network: Network, device: torch.device) -> dict[str, str]:
    return {
        "processor": _processor() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "device": device.type,
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "sources": cache_folder(Path(__file__)).name,
        **network.architecture.metadata(),
    }


def _processor() -> str:
    """Name and abilities of the CPU; a folder in a network may serve several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "flags", "Features"))]
    names = hashlib.sha256(" ".join(told[1:2]).encode()).hexdigest()[:8]
    return f"{told[0] if told else platform.machine()} {names}"


def _read(file: Path, machine: Mapping[str, str]) -> Figures | None:
    """Figures of `file`, or None where it is missing, damaged, or of another machine: then they are measured anew."""
    try:
        found: Any = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("machine") != machine:
        return None
    rates, unsteady, failed = (found.get(name) for name in ("positions_per_second", "unsteady", "failed"))
    if not isinstance(rates, dict) or not isinstance(unsteady, list) or not isinstance(failed, dict):
        return None
    if "eager" not in rates:
        return None
    for name, rate in rates.items():
        if name not in RUNTIMES or not isinstance(rate, float) or not 0 < rate < math.inf:
            return None
    return Figures(dict(machine), rates, tuple(str(name) for name in unsteady), failed)
