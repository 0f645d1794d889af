"""Who stands on the ladder: snapshots of a run, evenly chosen, and opponents by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.engine.agent import identity
from agent.errors import InputError
from agent.networks.weights import Weights, load_weights
from agent.runs import checkpoint_weights
from training.durability.snapshots import snapshot_files, step_of


@dataclass(frozen=True)
class Snapshot:
    """Weights of a run at one time."""

    name: str
    """`step 1200`."""
    key: str
    """Fingerprint of the weights: what results are kept by, for a name may come to mean others."""
    step: int
    minutes: float | None
    """Of training before it; None: the file does not say."""
    weights: Weights


def find_snapshots(run: Path, most: int, say: Callable[[str], None]) -> list[Snapshot]:
    """At most `most` snapshots of a run, evenly chosen, first and last among them, oldest first.

    A checkpoint newer than all of them counts as one. Damaged files are named through `say` and left out.

    Raises:
        InputError: there is none.
    """
    files = [(step_of(path), path) for path in snapshot_files(run)]
    newest = checkpoint_weights(run)[:1]
    files += [(step, path) for path in newest if (step := int(path.parent.name.removeprefix("step-"))) > _last(files)]
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
    """At most `most` of `files` at even distances, the last always, the first too if there is room for two."""
    if len(files) <= most:
        return list(files)
    places = np.linspace(len(files) - 1, 0, most).round().astype(int)[::-1]
    return [files[place] for place in places.tolist()]


def schedule(snapshots: Sequence[str], anchors: Sequence[str]) -> list[tuple[str, str]]:
    """Who plays whom: every snapshot every anchor, and the next two snapshots; enough for one scale."""
    pairs = [(snapshot, anchor) for snapshot in snapshots for anchor in anchors]
    for place, snapshot in enumerate(snapshots):
        pairs += [(later, snapshot) for later in snapshots[place + 1 : place + 3]]
    return pairs


def _last(files: Sequence[tuple[int, Path]]) -> int:
    return files[-1][0] if files else -1
