"""A day of training in a quarter of an hour: no process may keep growing.

    pytest -m hours tests/chaos/test_soak.py -s        # a quarter of an hour; prints its figures

ZEROMASS_SOAK_MINUTES asks for another length.
"""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest

from tests.processes import start_training
from training.cluster import OBJECT_STORE_BYTES
from training.durability.checkpoint import newest_checkpoint

MINUTES = float(os.environ.get("ZEROMASS_SOAK_MINUTES", "15"))
KILL_SECONDS = 8.0  # between kills of the younger game actor. The older one lives on and is measured.
WARMED_UP = 1 / 3  # share of the time after which memory must be flat
FLAT = 1.05
SETTINGS = (
    f"run.minutes={MINUTES} run.name=soak run.checkpoint_seconds=2 run.snapshot_minutes=0.1 network.kind=sparse "
    "network.width=64 network.hidden=32 selfplay.actors=2 selfplay.games=16 selfplay.ply_cap=60 "
    "selfplay.plies_per_call=4 selfplay.simulations=4 replay.capacity=20000 replay.warmup=1000 learner.batch_size=64 "
    "learner.publish_steps=1 learner.reuse=4 evaluation.games=2 evaluation.every_minutes=0.5 log.pictures_minutes=0.2"
)
"""A run that does everything a run does far more often: the config `cpu` has a version every two seconds or so, a
checkpoint every five minutes, and hardly ever a dead actor."""

ROLES = {"ray::Trainer": "trainer", "ray::GameActor": "game actor", "zeromass train": "driver"}
ROLES |= {"gcs_server": "Ray's gcs_server", "raylet/raylet": "Ray's raylet"}
"""By a part of the command line; the first match counts."""


class Reading(NamedTuple):
    """Memory of a process."""

    seconds: float  # since the start
    private: float  # MiB
    shared: float  # MiB in use, of Ray's object store


Lives = dict[tuple[str, psutil.Process], list[Reading]]
"""What was read of each process, by its role; oldest first."""


def read(lives: Lives, seconds: float) -> None:
    """Read the memory of each process below this one."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):  # it ended this moment
            line = " ".join(process.cmdline())
            rows = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            mib = {row.split()[0]: int(row.split()[1]) / 1024 for row in rows if row.startswith("Rss")}
            role = next((role for part, role in ROLES.items() if part in line), None)
            if role and mib:  # else it is ending
                lives.setdefault((role, process), []).append(Reading(seconds, mib["RssAnon:"], mib["RssShmem:"]))


def of(lives: Lives, role: str) -> list[tuple[psutil.Process, list[Reading]]]:
    return [(process, readings) for (found, process), readings in lives.items() if found == role]


def mean(readings: list[Reading], start: float, end: float) -> float:
    """Mean MiB of private memory between two times."""
    return float(np.mean([reading.private for reading in readings if start <= reading.seconds <= end]))


@pytest.mark.hours
@pytest.mark.timeout(14_400)
def test_memory_stays_flat_through_versions_checkpoints_and_restarts(tmp_path: Path) -> None:
    output, lives, killed, began = tmp_path / "driver.log", Lives(), 0, time.monotonic()
    with output.open("w") as file:
        driver = start_training("demo", *SETTINGS.split(), f"run.folder={tmp_path}", output=file)
    try:
        due = 30.0
        while driver.poll() is None:
            now = time.monotonic() - began
            read(lives, now)
            actors = of(lives, "game actor")
            if now >= due and len(actors) > 1:
                due = now + KILL_SECONDS
                youngest, readings = actors[-1]
                if readings[-1].seconds > now - 2 and len(readings) > 1:
                    youngest.kill()
                    killed += 1
            time.sleep(1)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
    assert driver.returncode == 0, output.read_text()[-3000:]
    summary = json.loads((tmp_path / "soak" / "summary.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "soak" / "log.jsonl").read_text().splitlines()]
    version = newest_checkpoint(tmp_path / "soak" / "checkpoints")[1].state["counters"]["version"]
    start, end = WARMED_UP * 60 * MINUTES, 60 * MINUTES
    span = (end - start) / 4
    print(f"\n{MINUTES:g} minutes: {version} versions, {summary['games']} games, {killed} actors killed")
    grown: list[tuple[str, float]] = []
    for (role, _), readings in lives.items():
        if readings[0].seconds <= start + 5 and readings[-1].seconds >= end - 5:
            early, late = mean(readings, start, start + span), mean(readings, end - span, end)
            grown.append((role, late / early))
            print(f"{role}: {early:.1f} MiB after warm-up, {late:.1f} at the end ({late / early - 1:+.1%})")
    store = max(reading.shared for _, readings in of(lives, "Ray's raylet") for reading in readings)
    print(f"object store: {store:.0f} MiB at most, of {OBJECT_STORE_BYTES / 2**20:.0f} allowed")
    lived = [readings for _, readings in of(lives, "game actor") if len(readings) > 2]
    most = [max(reading.private for reading in readings) for readings in lived if readings[-1].seconds < end - 5]
    third = len(most) // 3
    early, late = max(most[:third]), max(most[-third:])
    print(f"actors that were killed: {early:.1f} MiB at most in the first third of them, {late:.1f} in the last")
    assert killed >= 2 * MINUTES
    assert rows[-1]["system/restarts"] >= killed - 1
    assert {"trainer", "game actor", "driver", "Ray's gcs_server", "Ray's raylet"} <= {role for role, _ in grown}
    assert max(growth for _, growth in grown) <= FLAT, grown
    assert late <= FLAT * early
    assert store <= OBJECT_STORE_BYTES / 2**20
