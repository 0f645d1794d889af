"""Faults, each a function of the arena and a random generator; it returns whether there was anything to harm."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.chaos.arena import Arena
from tests.processes import descendants
from training.durability.checkpoint import list_checkpoints
from training.durability.replay_store import Damage, read_entries

Fault = Callable[[Arena, np.random.Generator], bool]

damaged_checkpoints: set[Path] = set()
damaged_games: set[str] = set()  # ids of games whose bytes a fault here destroyed: they cannot come back


def _signal(title: str, number: signal.Signals) -> Fault:
    def fault(arena: Arena, generator: np.random.Generator) -> bool:
        found = descendants(title)
        if found:
            victim = int(generator.choice(found))
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, number)
        return bool(found)

    return fault


def _signal_driver(number: signal.Signals) -> Fault:
    """To the command itself. SIGTERM is what a preempted machine sends; it must end in a checkpoint within 30 s."""

    def fault(arena: Arena, generator: np.random.Generator) -> bool:
        driver = arena.driver
        if driver is not None:
            os.kill(driver, number)
        return driver is not None

    return fault


def lose_node(arena: Arena, generator: np.random.Generator) -> bool:
    arena.lose_node()
    time.sleep(float(generator.uniform(0.5, 3)))
    arena.return_node()
    return True


def _kill_of_node(title: str) -> Fault:
    """With its agents a raylet ends too: the node is lost, and must be started again."""

    def fault(arena: Arena, generator: np.random.Generator) -> bool:
        os.kill(arena.rays_own(title), signal.SIGKILL)
        time.sleep(float(generator.uniform(0.5, 3)))
        return lose_node(arena, generator)

    return fault


def _stop_for_seconds(title: str) -> Fault:
    def fault(arena: Arena, generator: np.random.Generator) -> bool:
        victim = arena.rays_own(title)
        os.kill(victim, signal.SIGSTOP)
        time.sleep(float(generator.uniform(2, 8)))
        os.kill(victim, signal.SIGCONT)
        return True

    return fault


def damage_checkpoint(arena: Arena, generator: np.random.Generator) -> bool:
    """Damage a file of the newest sound checkpoint, if there is another, and kill the trainer, so it is read."""
    found = [path for path in list_checkpoints(arena.run / "checkpoints") if path not in damaged_checkpoints]
    if len(found) < 2:
        return False
    damaged_checkpoints.add(found[0])
    try:
        _damage(Path(generator.choice([str(path) for path in sorted(found[0].iterdir())])), generator)
    except OSError:
        return False  # deleted meanwhile, as too old
    _signal("ray::Trainer", signal.SIGKILL)(arena, generator)
    return True


def damage_replay(arena: Arena, generator: np.random.Generator) -> bool:
    """Kill the trainer, so nobody writes meanwhile, and damage a segment of the replay store, which is then read."""
    segments = sorted((arena.run / "replay").glob("segment-*.games"))
    if not segments:
        return False
    segment = Path(generator.choice([str(path) for path in segments]))
    _signal("ray::Trainer", signal.SIGKILL)(arena, generator)
    before = _ids(segment)
    _damage(segment, generator)
    damaged_games.update(before - _ids(segment))
    return True


def fill_disk(arena: Arena, generator: np.random.Generator) -> bool:
    ballast = arena.run.parent / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(64 * 1024))
    time.sleep(float(generator.uniform(2, 5)))
    ballast.unlink()
    return True


FAULTS: dict[str, tuple[Fault, float]] = {
    "kill a game actor": (_signal("ray::GameActor", signal.SIGKILL), 30),
    "stop a game actor": (_signal("ray::GameActor", signal.SIGSTOP), 10),
    "kill the trainer": (_signal("ray::Trainer", signal.SIGKILL), 10),
    "stop the trainer": (_signal("ray::Trainer", signal.SIGSTOP), 3),
    "kill the driver": (_signal_driver(signal.SIGKILL), 6),
    "terminate the driver": (_signal_driver(signal.SIGTERM), 3),
    "lose a node": (lose_node, 6),
    "kill a raylet": (_kill_of_node("raylet"), 4),
    "kill a raylet's agent": (_kill_of_node("ray::DashboardAgent"), 3),
    "kill a raylet's runtime agent": (_kill_of_node("ray::RuntimeEnvAgent"), 3),
    "stop a raylet for seconds": (_stop_for_seconds("raylet"), 4),
    "stop the gcs_server for seconds": (_stop_for_seconds("gcs_server"), 4),
    "damage a checkpoint": (damage_checkpoint, 6),
    "damage the replay": (damage_replay, 5),
    "fill the disk": (fill_disk, 5),
}
"""Every fault with its relative frequency."""


def _damage(path: Path, generator: np.random.Generator) -> None:
    """Cut a file or flip one of its bits, in place."""
    size = path.stat().st_size
    if size == 0 or generator.random() < 0.5:
        os.truncate(path, int(generator.integers(size + 1)))
        return
    with path.open("r+b") as file:
        place = int(generator.integers(size))
        file.seek(place)
        byte = file.read(1)[0] ^ (1 << int(generator.integers(8)))
        file.seek(place)
        file.write(bytes([byte]))


def _ids(segment: Path) -> set[str]:
    return {found[1].record.game for found in read_entries(segment.read_bytes()) if not isinstance(found, Damage)}
