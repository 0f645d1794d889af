"""Recovery from a loss or gradient that is not finite: keep the batch, go back to a checkpoint's weights, go on. The
step that failed changed nothing, but the weights it started from may be broken. So weights and optimiser go back to the
newest checkpoint, and at the next failure to the one before it. The count of steps and the games go on."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.errors import InputError
from agent.files import write_atomic
from agent.networks.weights import load_weights
from training.attachment import Attachment
from training.durability.checkpoint import WEIGHTS, Checkpoint, list_checkpoints, read_checkpoint
from training.learner import LearningError
from training.loop import TrainingLoop
from training.replay import Batch

MOST_TRIES: Final = 3
WITHIN_STEPS: Final = 1000  # at most `MOST_TRIES` rescues within so many learner steps; one more failure ends the run


class LearningWatchdog(Attachment):
    """Rescues a learner; `evidence` is the folder for the batches that failed."""

    def __init__(self, checkpoints: Path, evidence: Path, say: Callable[[str], None]) -> None:
        self.rescues = 0  # so far, in this process
        self._checkpoints, self._evidence, self._say = checkpoints, evidence, say
        self._failed: list[int] = []

    def failed(self, loop: TrainingLoop, batch: Batch, error: LearningError) -> bool:
        """Keep the batch and go back to a checkpoint; True. A LearningError after too many, or without a checkpoint."""
        learner, step = loop.learner, loop.learner.step
        self._failed = [earlier for earlier in self._failed if earlier > step - WITHIN_STEPS] + [step]
        tries = len(self._failed)
        kept = self._keep(batch, f"step-{step:08d}-try-{tries}")
        found = self._checkpoint(tries) if tries <= MOST_TRIES else None
        if found is None:
            raise LearningError(error.reason, f"{error} (evidence: {kept})") from error
        learner.network.load_state_dict(load_weights(found.path / WEIGHTS).network.state_dict())
        learner.restore(found.optimizer)
        self.rescues += 1
        done = f"weights go back to {found.path.name}, the batch is kept in {kept}"
        self._say(f"warning: {error.reason} at step {step + 1}; {done}")
        return True

    def row(self, loop: TrainingLoop, batch: Batch, row: dict[str, float]) -> None:
        """See `Attachment`."""
        row["system/rescues"] = float(self.rescues)

    def _checkpoint(self, tries: int) -> Checkpoint | None:
        """The valid checkpoint to go back to: the newest at the first try, an older one at each further one."""
        best = None
        for path in list_checkpoints(self._checkpoints):
            with contextlib.suppress(InputError):
                best, tries = read_checkpoint(path), tries - 1
            if tries == 0:
                break
        return best

    def _keep(self, batch: Batch, name: str) -> Path:
        arrays: dict[str, Any] = dict(vars(batch))
        arrays |= {f"policies.{part}": array for part, array in vars(arrays.pop("policies")).items()}
        file, path = io.BytesIO(), self._evidence / f"{name}.npz"
        np.savez_compressed(file, **arrays)
        self._evidence.mkdir(exist_ok=True)
        write_atomic(path, file.getvalue())
        return path
