"""The Ray actor that trains: a thin coat around a run, so that the driver carries neither games nor weights.

One thread of it trains, others answer the driver: `news`, `stop`.
"""

import socket
import threading
from pathlib import Path
from typing import Any, Final, cast

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfplay.identity import Identity, check_identity
from training.durability.progress_relay import Journal, News
from training.durability.run_folder import RunFolder
from training.run import Resume, Summary, run_training
from training.settings import Settings

NEWS_SECONDS: Final = 1.0
"""Longest wait for news: progress is as old as this at most."""
TrainerHandle = Any
"""Ray's handle of a `Trainer`."""


class Trainer:
    """Trains one run, once.

    Args:
        expected: of the driver.
    """

    def __init__(self, expected: Identity) -> None:
        self._expected = expected
        self._journal = Journal()
        self._stopped = threading.Event()

    def train(self, settings: Settings, folder: Path, resume: Resume) -> Summary:
        """See `training.run.run_training`."""
        check_identity(self._expected, f"the trainer on {socket.gethostname()}")
        return run_training(
            settings, RunFolder(folder), resume=resume, display=self._journal, stop=self._stopped.is_set
        )

    def news(self, seconds: float = NEWS_SECONDS) -> News:
        """What happened since the last call; waits for it, but not for long."""
        return self._journal.news(seconds)

    def stop(self) -> None:
        """End the run in a checkpoint."""
        self._stopped.set()


def start_trainer(settings: Settings, expected: Identity) -> TrainerHandle:
    """Start the actor where the settings want it. Ray must be initialised."""
    learner = settings.learner
    options: dict[str, Any] = {
        "num_cpus": learner.threads,
        "num_gpus": learner.gpus,
        "resources": dict(learner.resources),
        "max_concurrency": 8,
        "max_restarts": 0,  # the driver starts another, from a checkpoint
    }
    if learner.node == "driver":
        here = ray.get_runtime_context().get_node_id()
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
    return cast(Any, ray.remote)(**options)(Trainer).remote(expected)
