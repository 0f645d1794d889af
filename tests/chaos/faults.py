"""Faults, each a function of the arena and a random generator; it returns what it did, or None."""

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
from training.durability.game_file import Damage, read_entries

Fault = Callable[[Arena, np.random.Generator], str | None]

damaged_checkpoints: set[Path] = set()
damaged_games: set[str] = set()  # ids of games whose bytes a fault here destroyed: they cannot come back


def _signal(title: str, number: signal.Signals) -> Fault:
    def fault(arena: Arena, generator: np.random.Generator) -> str | None:
        found = descendants(title)
        if not found:
            return None
        victim = int(generator.choice(found))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
        return f"{number.name} {title}"

    return fault


def kill_driver(arena: Arena, generator: np.random.Generator) -> str | None:
    """Kill the command itself."""
    if arena.driver is None:
        return None
    os.kill(arena.driver, signal.SIGKILL)
    return "SIGKILL driver"


def terminate_driver(arena: Arena, generator: np.random.Generator) -> str | None:
    """Stop the command as a preempted machine would; it must end in a checkpoint within 30 s."""
    if arena.driver is None:
        return None
    os.kill(arena.driver, signal.SIGTERM)
    return "SIGTERM driver"


def lose_node(arena: Arena, generator: np.random.Generator) -> str | None:
    """Remove a node for a moment."""
    arena.lose_node()
    time.sleep(float(generator.uniform(0.5, 3)))
    arena.return_node()
    return "node lost and back"


def damage_checkpoint(arena: Arena, generator: np.random.Generator) -> str | None:
    """Damage a file of the newest sound checkpoint, if there is another, and kill the trainer, so it is read."""
    found = [path for path in list_checkpoints(arena.run / "checkpoints") if path not in damaged_checkpoints]
    if len(found) < 2:
        return None
    damaged_checkpoints.add(found[0])
    try:
        how = _damage(Path(generator.choice([str(path) for path in sorted(found[0].iterdir())])), generator)
    except OSError:
        return None  # deleted meanwhile, as too old
    _signal("ray::Trainer", signal.SIGKILL)(arena, generator)
    return f"checkpoint {how}, SIGKILL ray::Trainer"


def damage_replay(arena: Arena, generator: np.random.Generator) -> str | None:
    """Damage a segment of the replay store and kill the trainer, so the segment is read."""
    segments = sorted((arena.run / "replay").glob("segment-*.games"))
    if not segments:
        return None
    segment = Path(generator.choice([str(path) for path in segments]))
    before = _ids(segment)
    how = _damage(segment, generator)
    damaged_games.update(before - _ids(segment))
    _signal("ray::Trainer", signal.SIGKILL)(arena, generator)
    return f"segment {how}, SIGKILL ray::Trainer"


def fill_disk(arena: Arena, generator: np.random.Generator) -> str | None:
    """Fill the disk for a few seconds."""
    ballast = arena.run.parent / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(64 * 1024))
    time.sleep(float(generator.uniform(2, 5)))
    ballast.unlink()
    return "disk full"


FAULTS: dict[str, tuple[Fault, float]] = {
    "kill a game actor": (_signal("ray::GameActor", signal.SIGKILL), 30),
    "stop a game actor": (_signal("ray::GameActor", signal.SIGSTOP), 10),
    "kill the inference actor": (_signal("ray::InferenceActor", signal.SIGKILL), 16),
    "kill the trainer": (_signal("ray::Trainer", signal.SIGKILL), 10),
    "stop the trainer": (_signal("ray::Trainer", signal.SIGSTOP), 3),
    "kill the driver": (kill_driver, 6),
    "terminate the driver": (terminate_driver, 3),
    "lose a node": (lose_node, 6),
    "damage a checkpoint": (damage_checkpoint, 6),
    "damage the replay": (damage_replay, 5),
    "fill the disk": (fill_disk, 5),
}
"""Every fault with its relative frequency."""


def _damage(path: Path, generator: np.random.Generator) -> str:
    """Cut a file or flip one of its bits, in place."""
    size = path.stat().st_size
    if size == 0 or generator.random() < 0.5:
        os.truncate(path, int(generator.integers(size + 1)))
        return f"truncated ({path.name})"
    with path.open("r+b") as file:
        place = int(generator.integers(size))
        file.seek(place)
        byte = file.read(1)[0] ^ (1 << int(generator.integers(8)))
        file.seek(place)
        file.write(bytes([byte]))
    return f"bit flipped ({path.name})"


def _ids(segment: Path) -> set[str]:
    return {found[1].record.game for found in read_entries(segment.read_bytes()) if not isinstance(found, Damage)}
