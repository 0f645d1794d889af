"""Checkpoints: written to a temporary folder, fsynced, renamed; verified when read; the newest valid one is used.

`checkpoints/step-00001200/` holds

- `weights.safetensors`: a weights file like any other,
- `optimizer.safetensors`: arrays,
- `player.safetensors`: unfinished games, where they are played in the learner's process,
- `state.json`: counters and random states,
- `manifest.json`: size and SHA-256 of each of these, written last.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import safetensors.numpy
from numpy.typing import NDArray

from agent.errors import InputError
from agent.files import fsync_folder, write_durable

MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
_FILES: Final = (WEIGHTS, "optimizer.safetensors", "player.safetensors", "state.json")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on."""

    weights: bytes
    """A whole weights file."""
    optimizer: Arrays
    state: dict[str, Any]
    """Plain JSON: step, counters, random states."""
    player: Arrays = field(default_factory=dict)
    """Unfinished games, if they are played in the learner's process, see `selfplay.unfinished`."""
    path: Path | None = None
    """Where it was read from."""


def write_checkpoint(folder: Path, step: int, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write `folder/step-N` and delete all but the newest `keep`.

    A crash at any moment leaves the earlier checkpoints intact and no half-written one under a valid name.

    Raises:
        OSError: for example a full disk; the half-written folder is removed.
    """
    final = folder / f"step-{step:08d}"
    temporary = folder / f".{final.name}.{os.getpid()}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".step-*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    contents = {
        WEIGHTS: checkpoint.weights,
        "optimizer.safetensors": safetensors.numpy.save(dict(checkpoint.optimizer)),
        "player.safetensors": safetensors.numpy.save(dict(checkpoint.player)),
        "state.json": json.dumps(checkpoint.state).encode(),
    }
    try:
        temporary.mkdir()
        for name, data in contents.items():
            write_durable(temporary / name, data)
        manifest = {name: {"bytes": len(data), "sha256": _digest(data)} for name, data in contents.items()}
        write_durable(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())
        fsync_folder(temporary)
        if final.exists():  # the same step again, after a resume without a step
            shutil.rmtree(final)
        temporary.rename(final)
        fsync_folder(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in list_checkpoints(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, newest first; not verified."""
    return sorted(folder.glob("step-*"), reverse=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify one checkpoint.

    Raises:
        InputError: a file is missing, or its size or SHA-256 is not the manifest's.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        contents = {name: (path / name).read_bytes() for name in _FILES}
        wrong = [
            name
            for name, data in contents.items()
            if len(data) != manifest[name]["bytes"] or _digest(data) != manifest[name]["sha256"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"checkpoint '{path}' is damaged ({error})") from error
    if wrong:
        raise InputError(f"checkpoint '{path}' is damaged ({', '.join(wrong)} differs from its manifest)")
    return Checkpoint(
        weights=contents[WEIGHTS],
        optimizer=safetensors.numpy.load(contents["optimizer.safetensors"]),
        player=safetensors.numpy.load(contents["player.safetensors"]),
        state=json.loads(contents["state.json"]),
        path=path,
    )


def newest_checkpoint(folder: Path) -> tuple[Path, Checkpoint, list[str]]:
    """The newest valid checkpoint in `folder`, and a sentence for each damaged one that was skipped.

    Raises:
        InputError: there is none; the message names the damaged ones.
    """
    damaged: list[str] = []
    for path in list_checkpoints(folder):
        try:
            return path, read_checkpoint(path), damaged
        except InputError as error:
            damaged.append(str(error))
    found = "; ".join(damaged) if damaged else "it is empty or missing"
    raise InputError(f"no valid checkpoint in '{folder}': {found}; start a new run")


def kept_states(folder: Path) -> list[dict[str, Any]]:
    """The states of all kept checkpoints that can be read; not verified."""
    states = []
    for path in list_checkpoints(folder):
        with contextlib.suppress(OSError, ValueError):
            states.append(json.loads((path / "state.json").read_bytes()))
    return states


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
