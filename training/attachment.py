"""What is attached to the training loop: checkpoints, matches, rows of the log, the guard and so on. The loop calls the
hooks of its attachments in their order; each attachment stands in the file of its concept. `training.assembly` makes
the list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfplay.actor import GameBatch
    from selfplay.record import GameRecord
    from training.learner import LearningError
    from training.loop import TrainingLoop
    from training.replay import Batch


class Attachment:
    """Hooks, all of them optional."""

    name = ""  # key of its state in a checkpoint; empty: it has none

    def begin(self, loop: "TrainingLoop") -> None:
        """Training starts."""

    def added(self, loop: "TrainingLoop", record: "GameRecord") -> None:
        """A game was added to the replay buffer and counted: now, or after a resume by an earlier process."""

    def collected(self, loop: "TrainingLoop", batches: "Sequence[GameBatch]") -> None:
        """The pool was asked for games; `batches`, perhaps none, arrived and were added."""

    def stepped(self, loop: "TrainingLoop", batch: "Batch") -> None:
        """The learner made a step on `batch`."""

    def failed(self, loop: "TrainingLoop", batch: "Batch", error: "LearningError") -> bool:
        """A step on `batch` failed; whether the learner was repaired, so that training goes on."""
        return False

    def turned(self, loop: "TrainingLoop") -> None:
        """The loop ends a turn: games were collected, and steps made if there were enough."""

    def end(self, loop: "TrainingLoop") -> None:
        """Training ends; not called after an error."""

    def row(self, loop: "TrainingLoop", batch: "Batch", row: dict[str, float]) -> None:
        """A row of the log is made after the step on `batch`: add figures to it, by tag."""

    def state(self) -> Any:
        """What a resumed run needs, as plain JSON."""

    def restore(self, state: Any) -> None:
        """Take over what `state` gave."""
