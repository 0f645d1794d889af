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
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import safetensors.numpy
from numpy.typing import NDArray

import agent.networks.weights
from agent.errors import InputError
from agent.files import fsync_folder, write_durable
from agent.runs import by_step
from training.attachment import Attachment
from training.durability.disk import DiskPatience

if TYPE_CHECKING:
    from training.loop import TrainingLoop

MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
KEPT: Final = 3  # checkpoints of a run; older ones are deleted
_FILES: Final = (WEIGHTS, "optimizer.safetensors", "player.safetensors", "state.json")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on."""

    weights: bytes  # a whole weights file
    optimizer: Arrays
    state: dict[str, Any]  # plain JSON: step, counters, random states
    player: Arrays = field(default_factory=dict)
    """Unfinished games, if they are played in the learner's process, see `selfplay.unfinished`."""
    path: Path = Path()  # where it was read from


def write_checkpoint(folder: Path, step: int, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write `folder/step-N` and delete all but the newest `keep`. A crash at any moment leaves the earlier checkpoints
    intact and no half-written one under a valid name. After an OSError, for example a full disk, the half-written
    folder is removed."""
    final = folder / f"step-{step:08d}"
    temporary = folder / f".{final.name}.{os.getpid()}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f".step-{'[0-9]' * 8}*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    contents = {
        WEIGHTS: checkpoint.weights,
        "optimizer.safetensors": safetensors.numpy.save(dict(checkpoint.optimizer)),
        "player.safetensors": safetensors.numpy.save(dict(checkpoint.player)),
        "state.json": json.dumps(checkpoint.state).encode(),
    }
    try:
        temporary.mkdir(exist_ok=True)  # a full disk may have kept what was to be removed
        for name, data in contents.items():
            write_durable(temporary / name, data)
        write_durable(temporary / MANIFEST, json.dumps(_manifest(contents), indent=1).encode())
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
    return [*reversed(by_step(folder).values())]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify one checkpoint; an InputError if a file is missing, or its size or SHA-256 not the manifest's."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        contents = {name: (path / name).read_bytes() for name in _FILES}
        if wrong := [name for name, entry in _manifest(contents).items() if manifest[name] != entry]:
            raise ValueError(f"{', '.join(wrong)} differs from its manifest")
        optimizer, player = (
            safetensors.numpy.load(contents[f"{part}.safetensors"]) for part in ("optimizer", "player")
        )
        return Checkpoint(contents[WEIGHTS], optimizer, dict(json.loads(contents["state.json"])), player, path)
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise InputError(f"checkpoint '{path}' is damaged ({error})") from error


def newest_checkpoint(folder: Path) -> tuple[Path, Checkpoint, list[str]]:
    """The newest valid checkpoint in `folder`, and a sentence for each damaged one that was skipped; an InputError that
    names these if there is none."""
    damaged: list[str] = []
    for path in list_checkpoints(folder):
        try:
            return path, read_checkpoint(path), damaged
        except InputError as error:
            damaged.append(str(error))
    found = "; ".join(damaged) if damaged else "it is empty or missing"
    raise InputError(f"no valid checkpoint in '{folder}': {found}; start a new run")


@contextlib.contextmanager
def understood(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Around the use of what a checkpoint holds, which may be anything: an InputError where it is of no use."""
    try:
        yield
    except Exception as error:
        if checkpoint is None or isinstance(error, InputError | OSError):
            raise
        fault = f"checkpoint '{checkpoint.path}' cannot be used ({type(error).__name__}: {error})"
        raise InputError(f"{fault}; move it away to go on from the one before") from error


def first_needed(folder: Path) -> int:
    """The first game that a checkpoint in `folder` needs; those that cannot be read are left out."""
    games = []
    for path in list_checkpoints(folder):
        with contextlib.suppress(OSError, ValueError):
            games.append(int(json.loads((path / "state.json").read_bytes())["replay"]["first"]))
    return min(games, default=0)


def _manifest(contents: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}


class Checkpoints(Attachment):
    """Writes a run's checkpoints: at the start, every `run.checkpoint_seconds`, when asked, at the end. `flush` hands
    the rows of the log to the system: a checkpoint is only written after the rows before it. `saved_step` is that of
    the checkpoint that the run goes on from; -1: a new run."""

    def __init__(self, run: Path, disk: DiskPatience, flush: Callable[[], None], saved_step: int = -1) -> None:
        self.saved_step = saved_step  # of the newest checkpoint; -1: none yet
        self._run, self._disk, self._flush = run, disk, flush
        self._last = time.monotonic()

    def begin(self, loop: "TrainingLoop") -> None:
        """Write the first one, so that there is always something to go on from."""
        self._last = time.monotonic()
        if self.saved_step < 0:
            self.save(loop)

    def turned(self, loop: "TrainingLoop") -> None:
        """Write one if it is due."""
        if time.monotonic() - self._last > loop.settings.run.checkpoint_seconds:
            with loop.stopwatch.spending("saving"):
                self.save(loop)

    def end(self, loop: "TrainingLoop") -> None:
        """Write the last one."""
        self.save(loop)

    def save(self, loop: "TrainingLoop") -> None:
        """Make all games durable and write a checkpoint, unless this step has one."""
        self._last = time.monotonic()
        step, learner = loop.learner.step, loop.learner
        self._disk.room()
        self._disk.writing(loop.window.store.sync)  # a checkpoint may only name games that are durable
        if step == self.saved_step:
            return
        self._flush()
        weights = agent.networks.weights.to_bytes(learner.network, self.provenance(loop))
        player = {} if loop.pool is None else loop.pool.state()
        checkpoint = Checkpoint(weights, learner.state_arrays(), loop.state(), player)
        folder = self._run / "checkpoints"
        self._disk.writing(lambda: write_checkpoint(folder, step, checkpoint, keep=KEPT))
        self._disk.writing(lambda: loop.window.store.prune(first_needed(folder)))
        self.saved_step = step

    def provenance(self, loop: "TrainingLoop") -> dict[str, str]:
        """Where the weights come from, for their metadata."""
        began = loop.settings.network.weights
        return {
            "run": self._run.name,
            "step": str(loop.learner.step),
            "version": str(loop.counters.version),
            "games": str(loop.counters.games),
            "positions": str(loop.counters.positions),
            "seed": str(loop.settings.run.seed),
            "seconds": f"{loop.counters.seconds:.1f}",
            **({"began_with": Path(began).name} if began else {}),
        }
