"""Ray for a run: a local one that only this machine can reach, or a cluster that is joined. A joined cluster gets the
code from here: the four packages are copied to a folder that Ray ships to every node."""

import logging
import math
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import ray
from ray._private import ray_constants

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
_QUIET: Final[dict[str, Any]] = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def ray_for(settings: Settings, cluster: str | None) -> Iterator[None]:
    """Ray while a run lasts: on this machine, for this process alone, or the cluster at an address. An InputError where
    Ray does not start, or the cluster cannot be joined or has too few GPUs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        if cluster is None:
            _start(settings)
        else:
            _join(cluster)
            check_gpus(settings, int(cast(Any, ray).cluster_resources().get("GPU", 0)), f"Ray cluster '{cluster}'")
        yield
    finally:
        ray.shutdown()


def _start(settings: Settings) -> None:
    # Ray's history of tasks is for its dashboard, which is off here; it grew to 65 MB in tests/chaos/test_soak.py.
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
