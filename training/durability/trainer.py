"""The Ray actor that trains: a wrapper around a run, so that the driver holds neither games nor weights.

One of its threads trains, others answer the driver's calls of `updates` and `stop`.
"""

import socket
import threading
from pathlib import Path
from typing import Any, Final, cast

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfplay.identity import check_identity
from training.durability.progress_relay import Relay, Updates
from training.durability.run_folder import RunFolder
from training.run import Resume, Summary, run_training
from training.settings import Settings

UPDATE_SECONDS: Final = 1.0
"""Longest wait for events; progress shown by the driver is at most this old."""
TrainerHandle = Any
"""Ray's handle of a `Trainer`."""


class Trainer:
    """Trains one run, once.

    Args:
        expected: identity of the driver.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._relay = Relay()
        self._stopped = threading.Event()

    def train(self, settings: Settings, folder: Path, resume: Resume) -> Summary:
        """See `training.run.run_training`."""
        check_identity(self._expected, f"the trainer on {socket.gethostname()}")
        return run_training(settings, RunFolder(folder), resume=resume, display=self._relay, stop=self._stopped.is_set)

    def updates(self, seconds: float = UPDATE_SECONDS) -> Updates:
        """See `Relay.updates`."""
        return self._relay.updates(seconds)

    def stop(self) -> None:
        """End the run in a checkpoint."""
        self._stopped.set()


def start_trainer(settings: Settings, expected: str) -> TrainerHandle:
    """Start the actor on the node that the settings ask for. Ray must be initialised."""
    learner = settings.learner
    options: dict[str, Any] = {
        "num_cpus": learner.threads,
        "num_gpus": learner.gpus,
        "resources": dict(learner.resources),
        "max_concurrency": 8,
        "max_restarts": 0,  # the driver starts another one, from a checkpoint
    }
    if learner.node == "driver":
        here = ray.get_runtime_context().get_node_id()
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
    return cast(Any, ray.remote)(**options)(Trainer).remote(expected)
