"""A two-node Ray cluster on this machine, a run on it as its user would start it, and what both show."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from tests.processes import descendants, start_training
from tests.training.runs import log_of
from training.durability.checkpoint import list_checkpoints, newest_checkpoint
from training.durability.replay_store import ReplayStore, StoredGame

SETTINGS = (
    "run.minutes=null run.steps=10000000 run.checkpoint_seconds=2 run.heartbeat_seconds=20 network.kind=residual "
    "network.blocks=0 network.channels=8 selfplay.actors=3 selfplay.games=8 selfplay.ply_cap=24 "
    "selfplay.plies_per_call=4 learner.batch_size=64 learner.publish_steps=4 replay.warmup=256 "
    "replay.capacity=1000000 log.steps=1 evaluation.games=0"
)
"""A run that saves, logs and publishes every few seconds. Its replay buffer holds all games, so all can be counted."""
ON_NODES_THAT_PLAY = "selfplay.resources={games: 1}"  # so both nodes have a game actor


def undisturbed_rows(folder: Path, steps: int, seconds: float) -> list[dict[str, Any]]:
    """The first `steps` rows of the same run on a Ray of its own, without faults."""
    log = folder / "undisturbed" / "log.jsonl"
    words = ["demo", *SETTINGS.split(), "run.name=undisturbed", f"run.folder={folder}"]
    with start_training(*words, output=subprocess.DEVNULL) as run:
        until = time.monotonic() + seconds
        while run.poll() is None and time.monotonic() < until:
            if log.exists() and len(log.read_text().splitlines()) >= steps:
                break
            time.sleep(1)
        run.terminate()
    return log_of(log.parent)[:steps]


class Arena:
    """The cluster and the run, whose folder is made in `folder`; `output` gets what the driver prints."""

    def __init__(self, folder: Path, output: Path) -> None:
        self.run = folder / "chaos"
        self._folder, self._output = folder, output
        # Else the run gets next to nothing of a machine that is busy. (Ray spells it so.)
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 4, "resources": {"games": 1}, "object_store_memory": 100 * 2**20},
        )
        self._node = self._add_node()
        self._driver: subprocess.Popen[str] | None = None

    @property
    def driver(self) -> int | None:
        """The driver's process, if it is alive."""
        return self._driver.pid if self._driver is not None and self._driver.poll() is None else None

    def start(self) -> None:
        """Start the driver, or resume the run if there is one and no driver."""
        if self.driver is not None:
            return
        begun = (self.run / "settings.yaml").exists()
        new = ["demo", *SETTINGS.split(), "run.name=chaos", ON_NODES_THAT_PLAY, f"run.folder={self._folder}"]
        arguments = ["--resume", str(self.run)] if begun else new
        words = *arguments, "--cluster", self._cluster.address
        with self._output.open("a") as output:
            # The cluster utility makes clusters without a token; the test of the guide has one.
            self._driver = start_training(*words, output=output, RAY_AUTH_MODE="disabled", RAY_worker_niceness="0")

    def ended(self, seconds: float) -> int:
        """The exit code of a driver that ends by itself."""
        assert self._driver is not None
        return self._driver.wait(seconds)

    def lose_node(self) -> None:
        """Kill the second node without notice."""
        self._cluster.remove_node(self._node, allow_graceful=False)

    def return_node(self) -> None:
        self._node = self._add_node()

    def rays_own(self, title: str) -> int:
        """A process of Ray itself: the head's `gcs_server`, or the second node's `raylet` or agent of this title."""
        if title in ("gcs_server", "head"):
            head: Any = self._cluster.head_node
            return int(head.all_processes[title.replace("head", "raylet")][0].process.pid)
        raylet = int(self._node.all_processes["raylet"][0].process.pid)
        return raylet if title == "raylet" else descendants(title, raylet)[0]

    def saved(self) -> str:
        """The newest checkpoint; the text changes with each one that is written (steps go back, times do not)."""
        newest = list_checkpoints(self.run / "checkpoints")[:1]
        try:
            return f"{newest[0].name} {newest[0].stat().st_mtime_ns}" if newest else ""
        except OSError:  # it was deleted this moment
            return ""

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition, restarting the driver if needed; returns whether it became true."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition():
                return True
            self.start()
            time.sleep(0.2)
        return condition()

    def acknowledged(self) -> list[StoredGame]:
        """Every durable game."""
        return [game for game in ReplayStore(self.run / "replay").read(0) if isinstance(game, StoredGame)]

    def state(self) -> dict[str, Any]:
        """State of the newest valid checkpoint."""
        return newest_checkpoint(self.run / "checkpoints")[1].state

    def stop(self) -> None:
        """End the run as a preempted machine would."""
        if self._driver is not None and self.driver is not None:
            self._driver.terminate()
            try:
                self._driver.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._driver.pid, signal.SIGKILL)

    def close(self) -> None:
        if self._driver is not None and self.driver is not None:
            os.killpg(self._driver.pid, signal.SIGKILL)
            self._driver.wait()
        ray.shutdown()
        self._cluster.shutdown()  # type: ignore[no-untyped-call]

    def _add_node(self) -> Any:
        return self._cluster.add_node(num_cpus=4, resources={"games": 2}, object_store_memory=100 * 2**20)
