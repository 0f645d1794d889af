"""A short real run without Ray, and what its event files hold."""

import json
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agent.networks.registry import architecture_of, make_network
from agent.networks.weights import load_weights
from selfplay.pool import LocalPool
from training.durability.checkpoint import newest_checkpoint
from training.durability.run_folder import RunFolder
from training.loop import TrainingLoop
from training.settings import load_settings

OVERRIDES = [
    "run.minutes=null",
    "run.checkpoint_seconds=0.01",
    "network.kind=sparse",
    "network.width=64",
    "network.hidden=32",
    "selfplay.actors=0",
    "selfplay.games=16",
    "selfplay.ply_cap=160",
    "learner.batch_size=64",
    "learner.publish_steps=2",
    "replay.warmup=64",
    "log.steps=2",
]
SEARCHED = ["selfplay.simulations=4", "selfplay.ply_cap=60"]


def short_run(folder: Path, steps: int, *extra: str) -> RunFolder:
    """Train from nothing for so many learner steps."""
    settings = load_settings(None, [*OVERRIDES, f"run.steps={steps}", f"run.folder={folder}", "run.name=it", *extra])
    torch.manual_seed(settings.run.seed)
    made = RunFolder.create(settings, None)
    loop = TrainingLoop(settings, made, make_network(architecture_of(settings.network)))
    loop.run(LocalPool(settings.actor), stop=lambda: False, tick=lambda loop: None)
    loop.close()
    return made


def resumed_run(folder: RunFolder, steps: int) -> None:
    """Go on from the newest checkpoint."""
    settings = folder.settings([f"run.steps={steps}"])
    path, checkpoint, _ = newest_checkpoint(folder.checkpoints)
    network = load_weights(path / "weights.safetensors").network
    loop = TrainingLoop(settings, folder, network, checkpoint)
    pool = LocalPool(settings.actor, loop.counters.streams)
    loop.run(pool, stop=lambda: False, tick=lambda loop: None)
    loop.close()


def logged(folder: RunFolder) -> list[dict[str, Any]]:
    """Rows of log.jsonl."""
    return [json.loads(line) for line in folder.log.read_text().splitlines()]


def events_of(folder: RunFolder) -> EventAccumulator:
    """Everything in the event files, nothing thinned out."""
    everything = dict.fromkeys(("scalars", "images", "tensors", "histograms", "compressedHistograms"), 0)
    events = EventAccumulator(str(folder.tensorboard), size_guidance=everything)
    events.Reload()
    return events
