"""The players of a ladder: evenly chosen snapshots of a run, and opponents by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.errors import InputError
from agent.networks.bundled import identity
from agent.networks.weights import Weights, load_weights
from agent.runs import checkpoint_weights
from training.durability.snapshots import snapshot_files, step_of


@dataclass(frozen=True)
class Snapshot:
    """Weights of a run at one time."""

    name: str
    """`step 1200`."""
    key: str
    """Fingerprint of the weights, by which results are stored: a name may later mean other weights."""
    step: int
    minutes: float | None
    """Training time before it; None where the file does not record it."""
    weights: Weights


def find_snapshots(run: Path, most: int, say: Callable[[str], None]) -> list[Snapshot]:
    """At most `most` evenly chosen snapshots of a run, the first and last included, oldest first.

    A checkpoint newer than all snapshots counts as one. Damaged files are reported through `say` and skipped.

    Raises:
        InputError: there is none.
    """
    files = [(step_of(path), path) for path in snapshot_files(run)]
    for path in checkpoint_weights(run)[:1]:
        step = int(path.parent.name.removeprefix("step-"))
        if not files or step > files[-1][0]:
            files.append((step, path))
    found: dict[str, Snapshot] = {}
    for step, path in evenly(files, most):
        try:
            weights = load_weights(path)
        except InputError as error:
            say(f"skipped: {error}")
            continue
        seconds = weights.provenance.get("seconds")
        key = identity(weights).split()[0]
        minutes = None if seconds is None else float(seconds) / 60
        found.setdefault(key, Snapshot(f"step {step}", key, step, minutes, weights))
    if not found:
        raise InputError(
            f"run '{run}' has no snapshot to rate; let it train with run.snapshot_minutes above 0, or to a checkpoint"
        )
    return list(found.values())


def evenly(files: Sequence[tuple[int, Path]], most: int) -> list[tuple[int, Path]]:
    """At most `most` of `files` at even distances: always the last, and the first if `most` is at least 2."""
    if len(files) <= most:
        return list(files)
    places = np.linspace(len(files) - 1, 0, most).round().astype(int)[::-1]
    return [files[place] for place in places.tolist()]


def schedule(snapshots: Sequence[str], anchors: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs to play: each snapshot with every anchor and with the next two snapshots, which connects them all."""
    pairs = [(snapshot, anchor) for snapshot in snapshots for anchor in anchors]
    for place, snapshot in enumerate(snapshots):
        pairs += [(later, snapshot) for later in snapshots[place + 1 : place + 3]]
    return pairs
