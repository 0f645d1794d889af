"""When the learner's loss or gradient is not finite: keep the evidence, go back to good weights, go on; not for ever.

The step that failed has touched nothing, but the weights it started from may be what broke it, so weights and optimiser
go back to a checkpoint: the newest, the next time the one before it. The count of steps and the games go on.
"""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError
from agent.files import write_atomic
from agent.networks.weights import load_weights
from selfplay.record import RaggedPolicy
from training.durability.checkpoint import WEIGHTS, Checkpoint, list_checkpoints, read_checkpoint
from training.learner import Learner, LearningError
from training.replay import Batch

MOST_TRIES: Final = 3
WITHIN_STEPS: Final = 1000
"""So many tries are made within so many steps; one more failure ends the run."""


class LearningWatchdog:
    """Brings a learner back.

    Args:
        checkpoints: where to go back to.
        evidence: folder for what was found.
        say: gets a line for people.
    """

    def __init__(self, checkpoints: Path, evidence: Path, say: Callable[[str], None]) -> None:
        self.rescues = 0
        """So far, in this process."""
        self._checkpoints = checkpoints
        self._evidence = evidence
        self._say = say
        self._failed: list[int] = []

    def rescue(self, learner: Learner, batch: Batch, error: LearningError) -> None:
        """Keep the batch and go back.

        Raises:
            LearningError: it failed too often, or there is no checkpoint to go back to.
        """
        step = learner.step
        self._failed = [earlier for earlier in self._failed if earlier > step - WITHIN_STEPS] + [step]
        tries = len(self._failed)
        kept = self._keep(learner, batch, error, f"step-{step:08d}-try-{tries}")
        found = self._checkpoint(tries) if tries <= MOST_TRIES else None
        if found is None:
            raise LearningError(error.reason, f"{error} (evidence: {kept})") from error
        assert found.path is not None  # it was read
        learner.network.load_state_dict(load_weights(found.path / WEIGHTS).network.state_dict())
        learner.restore(found.optimizer)
        self.rescues += 1
        self._say(
            f"warning: {error.reason} at step {step + 1}; "
            f"weights go back to {found.path.name}, the batch is kept in {kept}"
        )

    def _checkpoint(self, tries: int) -> Checkpoint | None:
        """The valid checkpoint to go back to: the newest at the first try, an older one at each further one."""
        best = None
        for path in list_checkpoints(self._checkpoints):
            try:
                best = read_checkpoint(path)
            except InputError:
                continue
            tries -= 1
            if tries == 0:
                break
        return best

    def _keep(self, learner: Learner, batch: Batch, error: LearningError, name: str) -> Path:
        self._evidence.mkdir(exist_ok=True)
        file = io.BytesIO()
        np.savez_compressed(file, **cast(Any, batch_arrays(batch)))
        path = self._evidence / f"{name}.npz"
        write_atomic(path, file.getvalue())
        facts = {"error": str(error), "step": learner.step, "weights_sha256": weights_hash(learner)}
        write_atomic(path.with_suffix(".json"), json.dumps(facts, indent=1).encode())
        return path


def batch_arrays(batch: Batch) -> dict[str, NDArray[Any]]:
    """Everything in a batch, by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, RaggedPolicy):
            arrays |= {f"policies.{part.name}": getattr(value, part.name) for part in fields(value)}
        else:
            arrays[field.name] = value
    return arrays


def weights_hash(learner: Learner) -> str:
    """SHA-256 of the weights that learn, names included."""
    digest = hashlib.sha256()
    for name, tensor in learner.network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
