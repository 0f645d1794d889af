"""Small runs without Ray, for tests: begun, gone on with, trained in this process, and what they logged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from agent.networks.registry import make_network
from agent.networks.weights import load_weights
from selfplay.pool import LocalPool, Pool
from training.assembly import Run, assemble
from training.durability.checkpoint import WEIGHTS, newest_checkpoint
from training.durability.run_folder import RunFolder
from training.settings import Settings


def begin(settings: Settings, say: Callable[[str], None] = lambda line: None) -> Run:
    """A new run."""
    torch.manual_seed(settings.run.seed)
    network = make_network(settings.network.architecture)
    return assemble(settings, RunFolder.create(settings, None), network, say=say)


def resume(settings: Settings) -> Run:
    """The run of these settings' name, gone on with from its newest checkpoint."""
    folder = RunFolder(Path(settings.run.folder) / settings.run.name)
    path, checkpoint, _ = newest_checkpoint(folder.checkpoints)
    return assemble(settings, folder, load_weights(path / WEIGHTS).network, checkpoint)


def train(run: Run, *, until: int = 10**9, pool: Pool | None = None, unfinished: dict[str, Any] | None = None) -> Run:
    """Train to the end of the settings or to learner step `until`; the run, closed."""
    loop = run.loop
    games = pool or LocalPool(loop.settings.actor, loop.counters.streams, unfinished)
    loop.run(games, stop=lambda: loop.learner.step >= until)
    run.close()
    return run


def log_of(run: Path) -> list[dict[str, Any]]:
    """Rows of its log.jsonl."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
