"""Snapshots: small weights files of a run over time, for a ladder of its strength.
`runs/NAME/weights/step-N.safetensors`, one every `run.snapshot_minutes` of training, one at the start and one at every
end. A checkpoint follows each: a run killed between the two drops that snapshot when it resumes, and takes it again."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.networks.weights import save_weights
from agent.runs import by_step
from training.attachment import Attachment
from training.durability.checkpoint import Checkpoints
from training.durability.disk import DiskPatience

if TYPE_CHECKING:
    from training.loop import TrainingLoop


class Every:
    """Whether another `minutes` of training have passed since `seconds` of it, resumes included; 0 minutes: never."""

    def __init__(self, minutes: float, seconds: float) -> None:
        self._seconds, self._done = 60 * minutes, 0
        self.due(seconds)

    def due(self, seconds: float) -> bool:
        """Whether an interval has ended since the last call."""
        before, times = self._done, int(seconds // self._seconds) if self._seconds else 0
        self._done = max(times, before)
        return times > before


class Snapshots(Attachment):
    """The weights files of one run, `minutes` of training apart; 0: none at all."""

    def __init__(self, run: Path, minutes: float, checkpoints: Checkpoints, disk: DiskPatience) -> None:
        self._run, self._minutes = run, minutes
        self._checkpoints, self._disk = checkpoints, disk
        self._every = Every(0, 0)

    def begin(self, loop: "TrainingLoop") -> None:
        """Delete files of later steps, which the run will repeat, and take the first one."""
        self._every = Every(self._minutes, loop.counters.seconds)
        for step, path in by_step(self._run / "weights", ".safetensors").items():
            if step > loop.learner.step:
                self._disk.writing(partial(path.unlink, missing_ok=True))
        if loop.learner.step == 0:
            self._take(loop)

    def turned(self, loop: "TrainingLoop") -> None:
        """Take the one that is due."""
        if loop.learner.step and self._every.due(loop.counters.seconds):
            with loop.stopwatch.spending("evaluating"):
                self._take(loop)
                self._checkpoints.save(loop)

    def end(self, loop: "TrainingLoop") -> None:
        """Take the last one."""
        self._take(loop)

    def _take(self, loop: "TrainingLoop") -> None:
        if self._minutes:
            path = snapshot_path(self._run, loop.learner.step)
            provenance = self._checkpoints.provenance(loop)
            self._disk.writing(lambda: path.parent.mkdir(exist_ok=True))
            self._disk.writing(lambda: save_weights(path, loop.learner.network, provenance))


def snapshot_path(run: Path, step: int) -> Path:
    """File of the snapshot of a learner step."""
    return run / "weights" / f"step-{step:08d}.safetensors"
