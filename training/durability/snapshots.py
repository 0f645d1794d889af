"""Snapshots: small weights files of a run over time, for a ladder of its strength.

`runs/NAME/weights/step-N.safetensors`, one every `run.snapshot_minutes` of training, one at the start and one at every
end. A checkpoint is written before each, so a resumed run takes none twice.
"""

from collections.abc import Mapping
from pathlib import Path

from agent.networks.weights import save_weights
from training.learner import Learner


class Every:
    """Whether another `minutes` of training have passed, resumes included; 0 minutes: never.

    Args:
        minutes: of the interval.
        seconds: trained so far; everything due until then was done.
    """

    def __init__(self, minutes: float, seconds: float) -> None:
        self._seconds = 60 * minutes
        self._done = self._times(seconds)

    def due(self, seconds: float) -> bool:
        """Whether an interval has ended since the last call."""
        times = self._times(seconds)
        due = times > self._done
        self._done = max(times, self._done)
        return due

    def _times(self, seconds: float) -> int:
        return int(seconds // self._seconds) if self._seconds else 0


class Snapshots:
    """The weights files of one run.

    Args:
        run: the run folder.
        minutes: of training between two snapshots; 0: none at all.
        seconds: trained so far.
        step: learner step that the run goes on from. Files of later steps are deleted: the run will repeat them.
    """

    def __init__(self, run: Path, minutes: float, seconds: float, step: int) -> None:
        self._run, self._wanted = run, minutes > 0
        self._every = Every(minutes, seconds)
        for path in snapshot_files(run):
            if step_of(path) > step:
                path.unlink(missing_ok=True)

    def due(self, seconds: float) -> bool:
        """See `Every.due`."""
        return self._every.due(seconds)

    def take(self, learner: Learner, provenance: Mapping[str, str]) -> Path | None:
        """Write the current weights; None where the settings want no snapshots."""
        if not self._wanted:
            return None
        path = snapshot_path(self._run, learner.step)
        path.parent.mkdir(exist_ok=True)
        save_weights(path, learner.network, provenance)
        return path


def snapshot_path(run: Path, step: int) -> Path:
    """File of the snapshot of a learner step."""
    return run / "weights" / f"step-{step:08d}.safetensors"


def snapshot_files(run: Path) -> list[Path]:
    """The snapshots of a run folder, oldest first; not verified."""
    found = [path for path in run.glob("weights/step-*.safetensors") if path.stem.removeprefix("step-").isdigit()]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The learner step in a snapshot's name."""
    return int(path.stem.removeprefix("step-"))
