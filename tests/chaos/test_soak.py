"""A day of training in a quarter of an hour: no process may keep growing.

    pytest -m hours tests/chaos/test_soak.py -s        # a quarter of an hour; prints its figures

ZEROMASS_SOAK_MINUTES asks for another length.
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.memory import Lives
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


@pytest.mark.hours
@pytest.mark.timeout(14_400)
def test_memory_stays_flat_through_versions_checkpoints_and_restarts(tmp_path: Path) -> None:
    output, lives, killed = tmp_path / "driver.log", Lives(), 0
    with output.open("w") as file:
        driver = start_training("demo", *SETTINGS.split(), f"run.folder={tmp_path}", output=file)
    try:
        due = 30.0
        while driver.poll() is None:
            lives.read()
            actors = lives.of("game actor")
            if lives.now >= due and len(actors) > 1:
                due = lives.now + KILL_SECONDS
                youngest = actors[-1]
                if youngest.seconds[-1] > lives.now - 2 and youngest.seconds[-1] > youngest.seconds[0]:
                    os.kill(youngest.pid, signal.SIGKILL)
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
    for life in lives.through(start, end):
        early, late = life.mean(start, start + span), life.mean(end - span, end)
        grown.append((life.role, late / early))
        print(f"{life.role}: {early:.1f} MiB after warm-up, {late:.1f} at the end ({late / early - 1:+.1%})")
    store = max(max(life.shared) for life in lives.of("Ray's raylet"))
    print(f"object store: {store:.0f} MiB at most, of {OBJECT_STORE_BYTES / 2**20:.0f} allowed")
    died = [life for life in lives.of("game actor") if life.seconds[-1] < end - 5 and len(life.seconds) > 2]
    third = len(died) // 3
    early, late = (max(max(life.occupied) for life in some) for some in (died[:third], died[-third:]))
    print(f"actors that were killed: {early:.1f} MiB at most in the first third of them, {late:.1f} in the last")
    assert killed >= 2 * MINUTES
    assert rows[-1]["system/restarts"] >= killed - 1
    assert {"trainer", "game actor", "driver", "Ray's gcs_server", "Ray's raylet"} <= {role for role, _ in grown}
    assert max(growth for _, growth in grown) <= FLAT, grown
    assert late <= FLAT * early
    assert store <= OBJECT_STORE_BYTES / 2**20
