"""Random faults (kills, stops, damage, a full disk): the run recovers, no game is lost or duplicated.

    pytest -m slow tests/chaos -s      # 20 faults in some five minutes; prints its figures
    pytest -m hours tests/chaos -s     # 100 faults

ZEROMASS_CHAOS_SEED asks for another draw.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.chaos import faults
from tests.chaos.arena import Arena, undisturbed_rows
from tests.chaos.faults import FAULTS
from tests.training.runs import log_of

SEED = int(os.environ.get("ZEROMASS_CHAOS_SEED", "0"))
AT_ONCE = 5  # faults of a round, after which the run must recover
RECOVERY = 600.0  # seconds until a new checkpoint is there at the latest, on a machine that does other things too
CLOSE = 0.1  # most nats between the value losses of this run and an undisturbed one after as many steps


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own that can be filled; where we may not mount one, the folder itself, and no fault fills it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    yield folder
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("victim", "told"),
    [
        pytest.param("gcs_server", "the head of Ray cluster", marks=pytest.mark.slow),
        pytest.param("head", "Ray's raylet", marks=pytest.mark.hours),
    ],
)
def test_a_driver_that_loses_its_cluster_ends_with_a_sentence(tmp_path: Path, victim: str, told: str) -> None:
    output = tmp_path / "driver.log"
    arena = Arena(tmp_path, output)
    try:
        arena.start()
        assert arena.wait(lambda: arena.saved() > "step-00000001", RECOVERY), output.read_text()
        os.kill(arena.rays_own(victim), signal.SIGKILL)
        assert arena.ended(180) == 1
    finally:
        arena.close()
    said = output.read_text()
    assert said.count("Traceback") == 0
    last = " ".join(said.splitlines()[-1:])
    assert last.startswith(f"zeromass: {told}")
    assert last.endswith(f"start it again (docs/cluster.md), then go on with --resume {arena.run}")
    assert told in (arena.run / "faults.log").read_text().splitlines()[-1]


def loss(rows: list[dict[str, float]]) -> float:
    return float(np.mean([row["loss/value"] for row in rows]))


@pytest.mark.timeout(5400)
@pytest.mark.parametrize(
    "number", [pytest.param(20, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.hours)]
)
def test_a_run_recovers_from_random_faults(number: int, small_disk: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(SEED)
    names = [name for name in FAULTS if name != "fill the disk" or os.path.ismount(small_disk)]
    weights = np.array([FAULTS[name][1] for name in names])
    done, ledger, recoveries = Counter[str](), set[str](), list[float]()
    faults.damaged_games.clear()
    arena = Arena(small_disk, tmp_path / "driver.log")
    try:
        arena.start()
        assert arena.wait(lambda: arena.saved() > "step-00000001", 2 * RECOVERY), (tmp_path / "driver.log").read_text()
        while done.total() < number:
            ledger |= {game.record.game for game in arena.acknowledged()}
            for _ in range(AT_ONCE):
                name = str(generator.choice(names, p=weights / weights.sum()))
                time.sleep(float(generator.uniform(0, 1.5)))
                if FAULTS[name][0](arena, generator):
                    done[name] += 1
            before, started = arena.saved(), time.monotonic()
            went_on = arena.wait(lambda before=before: arena.saved() not in ("", before), RECOVERY)  # type: ignore[misc]
            assert went_on, f"stuck after {done}:\n" + (tmp_path / "driver.log").read_text()[-3000:]
            recoveries.append(time.monotonic() - started)
        arena.stop()
        games = arena.acknowledged()
        ids = Counter(game.record.game for game in games)
        rows, state = log_of(arena.run), arena.state()
    finally:
        arena.close()
    ever = ledger | set(ids) | faults.damaged_games  # some were written and destroyed within a round
    lost = ever - set(ids) - faults.damaged_games
    doubled = [game for game, count in ids.items() if count > 1]
    steps = [row["step"] for row in rows]
    first, last = loss(rows[:10]), loss(rows[-30:])
    undisturbed = undisturbed_rows(tmp_path, len(steps), RECOVERY)
    print(f"\n{done.total()} faults in {len(recoveries)} rounds, seed {SEED}: {dict(done)}")
    print(f"games acknowledged {len(ever)}, lost {len(lost)}, doubled {len(doubled)}", end=", ")
    print(f"destroyed on purpose {len(faults.damaged_games)}; counted by the run {state['counters']['games']}")
    print(f"steps {state['step']}, value loss {first:.3f} -> {last:.3f}", end=", ")
    print(f"undisturbed {loss(undisturbed[:10]):.3f} -> {loss(undisturbed[-30:]):.3f}", end=", ")
    print(f"until the next checkpoint {np.median(recoveries):.0f} s (median), {max(recoveries):.0f} s (most)")
    assert done.total() >= number
    assert (lost, doubled) == (set(), [])
    assert len(ids) <= state["counters"]["games"] <= len(ever)
    assert len({game.number for game in games}) == len(games)
    assert steps == list(range(1, len(steps) + 1))  # a curve without gap or overlap
    assert steps[-1] == state["step"]
    assert last < first - 0.1
    assert len(undisturbed) == len(steps)
    assert abs(last - loss(undisturbed[-30:])) < CLOSE
