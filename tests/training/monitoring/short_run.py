"""A short real run without Ray, and what its event files hold."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.runs import begin, resume, train
from training.durability.run_folder import RunFolder
from training.monitoring import guard
from training.settings import load_settings

OVERRIDES = (
    "run.minutes=null run.checkpoint_seconds=0.01 run.name=it network.kind=sparse network.width=64 network.hidden=32 "
    "selfplay.actors=0 selfplay.games=16 selfplay.ply_cap=160 learner.batch_size=64 learner.publish_steps=2 "
    "replay.warmup=64 log.steps=2"
)
SEARCHED = ["selfplay.simulations=4", "selfplay.ply_cap=60"]


def short_run(folder: Path, steps: int, *extra: str) -> RunFolder:
    """Train from nothing for so many learner steps."""
    settings = load_settings(None, [*OVERRIDES.split(), f"run.steps={steps}", f"run.folder={folder}", *extra])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(guard, "LEAST_GAMES", 1)
        return train(begin(settings)).folder


def resumed_run(folder: RunFolder, steps: int) -> None:
    """Go on from the newest checkpoint."""
    train(resume(folder.settings([f"run.steps={steps}"])))


def events_of(folder: RunFolder) -> EventAccumulator:
    """Everything in the event files, nothing thinned out."""
    everything = dict.fromkeys(("scalars", "images", "tensors", "histograms", "compressedHistograms"), 0)
    events = EventAccumulator(str(folder.tensorboard), size_guidance=everything)
    events.Reload()
    return events
