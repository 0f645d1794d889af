"""Snapshots: small weights files of a run over time, for a ladder of its strength.

`runs/NAME/weights/step-N.safetensors`, one every `run.snapshot_minutes` of training, one at the start and one at every
end. A checkpoint goes before each, so whoever resumes goes on from there and takes none twice.
"""

from collections.abc import Mapping
from pathlib import Path

from agent.networks.weights import save_weights
from training.learner import Learner


class Every:
    """Tells when another `minutes` of training have passed, resumes included; 0 minutes: never.

    Args:
        minutes: between two times.
        seconds: trained so far, as a checkpoint knows it: what was due until then was done.
    """

    def __init__(self, minutes: float, seconds: float) -> None:
        self._seconds = 60 * minutes
        self._done = self._times(seconds)

    def due(self, seconds: float) -> bool:
        """Whether it is time; the same time is due once."""
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
        step: learner step that the run goes on from. Later files come from a stretch that is lost, as rows of the log
            are, and are deleted: the run goes there again.
    """

    def __init__(self, run: Path, minutes: float, seconds: float, step: int) -> None:
        self._run, self._wanted = run, minutes > 0
        self._every = Every(minutes, seconds)
        for path in snapshot_files(run):
            if step_of(path) > step:
                path.unlink(missing_ok=True)

    def due(self, seconds: float) -> bool:
        """Whether one is to be taken after `seconds` of training; asked again, no longer."""
        return self._every.due(seconds)

    def take(self, learner: Learner, provenance: Mapping[str, str]) -> Path | None:
        """Write the weights that play now; None where the settings want no snapshots."""
        if not self._wanted:
            return None
        path = snapshot_path(self._run, learner.step)
        path.parent.mkdir(exist_ok=True)
        save_weights(path, learner.network, provenance)
        return path


def snapshot_path(run: Path, step: int) -> Path:
    """Where the snapshot of a learner step lies."""
    return run / "weights" / f"step-{step:08d}.safetensors"


def snapshot_files(run: Path) -> list[Path]:
    """The snapshots of a run folder, oldest first; not opened, so perhaps damaged."""
    found = [path for path in run.glob("weights/step-*.safetensors") if path.stem.removeprefix("step-").isdigit()]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The learner step in a snapshot's name."""
    return int(path.stem.removeprefix("step-"))
