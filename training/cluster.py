"""Ray for a run: a local one that only this machine can reach, or a cluster that is joined. A joined cluster gets the
code from here: the four packages are copied to a folder that Ray ships to every node."""

import logging
import math
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import psutil
import ray
from ray._private import ray_constants, worker

from agent.compilation import base_folder
from agent.errors import InputError
from agent.files import typed_path
from agent.program import PROGRAM, program
from selfplay.identity import PACKAGES, ROOT
from training.doctor import usable_cores
from training.preflight import check_gpus
from training.settings import Settings

OBJECT_STORE_BYTES: Final = 512 * 2**20
"""Of a local Ray: games and weights in flight need a few MB; Ray's default would take 30 % of the memory."""
GCS_SECONDS: Final = 45.0  # that the head of a joined cluster may be silent: Ray itself gives up after 60
_PRINT_ERROR: Final[Any] = worker.print_to_stdstream
_QUIET: Final[dict[str, Any]] = {"log_to_driver": False, "logging_level": logging.ERROR}


class RaySession:
    """Ray that is initialised: started on this machine (`cluster` is None), or a joined cluster."""

    def __init__(self, settings: Settings, cluster: str | None) -> None:
        self.cluster, self._settings, self._heard = cluster, settings, time.monotonic()
        self._node: Any = worker._global_node

    def lost(self, answering: bool = False) -> str | None:
        """What of Ray has ended, in a sentence; None: nothing. Where the trainer is `answering`, only the head is
        asked: each question to the raylet is a line in Ray's logs."""
        now = time.monotonic()
        if self._node is None:  # behind a Ray client, ray://
            return None
        if _listens(self._node.gcs_address):
            self._heard = now
        elif self.cluster is None:
            return "Ray's gcs_server has ended"
        elif now - self._heard > GCS_SECONDS:
            return f"the head of Ray cluster '{self.cluster}' has not answered for {now - self._heard:.0f} s"
        alive = answering or _listens(self._node.raylet_socket_name)
        return None if alive else "Ray's raylet on this machine has ended"

    def restart(self) -> None:
        """End what is left of a Ray that was started here, trainer and actors too, and start another one."""
        own = str(self._node.all_processes[ray_constants.PROCESS_TYPE_RAYLET][0].process.pid)
        others = psutil.process_iter(["environ"])  # a raylet that was killed leaves its workers to another parent
        left = [found for found in others if (found.info["environ"] or {}).get("RAY_RAYLET_PID") == own]
        left += psutil.Process().children(recursive=True)
        ray.shutdown(wait_for_processes=True)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        before = signal.getsignal(signal.SIGTERM)
        _start(self._settings)
        signal.signal(signal.SIGTERM, before)  # Ray installs its own
        self._node = worker._global_node


@contextmanager
def ray_for(settings: Settings, cluster: str | None) -> Iterator[RaySession]:
    """Ray while a run lasts: on this machine, for this process alone, or the cluster at an address. An InputError where
    Ray does not start, or the cluster cannot be joined or has too few GPUs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    worker.print_to_stdstream = _print_error
    try:
        if cluster is None:
            _start(settings)
        else:
            _join(cluster)
            check_gpus(settings, int(cast(Any, ray).cluster_resources().get("GPU", 0)), f"Ray cluster '{cluster}'")
        yield RaySession(settings, cluster)
    finally:
        ray.shutdown()


def _start(settings: Settings) -> None:
    # Ray's history of tasks is for its dashboard, which is off here; it grew to 65 MB in a long run.
    os.environ.setdefault("RAY_task_events_report_interval_ms", "0")  # Ray's spelling
    # Ray would give all of its processes the lowest priority, the trainer too; game actors lower their own.
    os.environ.setdefault("RAY_worker_niceness", "0")
    if not os.access(typed_path("~"), os.W_OK):  # as in containers; Ray keeps a token at home
        os.environ["HOME"] = str(base_folder())
    selfplay, learner = settings.selfplay, settings.learner
    cores = max(math.ceil(selfplay.actors * selfplay.cores + learner.threads), usable_cores())
    own: dict[str, Any] = {"num_cpus": cores, "object_store_memory": OBJECT_STORE_BYTES}
    # Inherited by Ray's processes: they are needed for the last checkpoint after the terminal has gone.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with _loopback_only():
        try:
            ray.init(address="local", include_dashboard=False, **own, **_QUIET)
            with suppress(OSError):  # Ray lets everyone read it
                typed_path("~/.ray/auth_token").chmod(0o600)
        except Exception as error:  # of any class
            reason, advice = " ".join(str(error).split()), "try again when it is less busy"
            if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionError):
                name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
                advice = f"set {name} to a folder that can be written, has room and a short path, such as /tmp"
            raise InputError(f"Ray did not start on this machine ({reason}); {advice}") from error
        finally:
            signal.signal(signal.SIGHUP, before)


def _print_error(data: Any, ignore_prefix: bool) -> None:
    """Print what Ray tells the driver, but for the end of a raylet: twenty lines, where the driver has one."""
    if "Raylet is terminated" not in (said := str(data["lines"][0])) and "address: 127.0.0.1 and" not in said:
        _PRINT_ERROR(data, ignore_prefix)


def _listens(address: str) -> bool:
    """Whether a process, though it may be stopped, listens at HOST:PORT, or at a Unix socket."""
    host, _, port = address.rpartition(":")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET if host else socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            probe.connect((host.strip("[]"), int(port)) if host else address)
            return True
    except OSError:
        return False


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Let Ray use 127.0.0.1 as its address, as it does on macOS and Windows. Otherwise its servers listen on all
    interfaces, whatever address `ray.init` was given."""
    name: Final = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before: Any = ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield  # Ray's processes inherit the variable
    finally:
        del os.environ[name]
        ray_constants.ENABLE_RAY_CLUSTER = before


def _join(cluster: str) -> None:
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray's own default for clusters from 2.61 on
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "120")  # this process lives on to say what is lost
    # `ray job submit` may set a working folder of its own; this one replaces it.
    os.environ["RAY_OVERRIDE_JOB_RUNTIME_ENV"] = "1"
    with tempfile.TemporaryDirectory(prefix="zeromass-code-") as folder:
        for package in PACKAGES:  # side by side, as the compile cache expects them
            shutil.copytree(ROOT / package, Path(folder) / package, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {"working_dir": folder, "env_vars": {PROGRAM: program()}}
        try:
            ray.init(address=cluster, runtime_env=environment, **_QUIET)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason, advice = " ".join(str(error).split()), "check the address and the token (docs/cluster.md)"
            raise InputError(f"Ray cluster '{cluster}' cannot be joined ({reason}); {advice}") from error
