"""A run on two network namespaces, as on two machines, whose link fails for a while.

pytest -m hours tests/chaos/test_partition.py     # some four minutes; needs root
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.arena import ON_NODES_THAT_PLAY, SETTINGS
from tests.processes import ENVIRONMENT, descendants
from tests.training.durability.test_supervisor import games_of, newest_step
from tests.training.runs import log_of
from training.durability.checkpoint import list_checkpoints

ADDRESSES = ["10.231.7.1", "10.231.7.2"]
DOWN = 45.0  # seconds
ACTORS = 3


def ip(*words: str) -> str:
    """What `ip` says against it; empty where it did it."""
    try:
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=False).stderr
    except OSError as error:
        return str(error)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Two network namespaces, joined by a link that is called like each of them there."""
    names = [f"zm{os.getpid()}{end}" for end in "ab"]
    refused = "".join(ip("netns", "add", name) for name in names)
    refused += ip("link", "add", names[0], "netns", names[0], "type", "veth", "peer", names[1], "netns", names[1])
    try:
        if refused:
            pytest.skip(f"this machine makes no network namespaces: {refused.splitlines()[0]}")
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            for device in ("lo", name):
                ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of every process; Ray's end with it."""
    with tempfile.TemporaryDirectory(prefix="zm-", dir="/tmp", ignore_cleanup_errors=True) as short:
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        own = {"HOME": str(tmp_path), "RAY_TMPDIR": short, "RAY_AUTH_MODE": "token", "XDG_CACHE_HOME": cache}
        yield {**ENVIRONMENT, **own, "RAY_worker_niceness": "0"}
        while pids := descendants(short, root=1):
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)


@pytest.mark.hours
@pytest.mark.timeout(1500)
def test_a_run_goes_on_while_a_link_is_down_and_after(
    hosts: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    run, output = tmp_path / "chaos", tmp_path / "driver.log"

    def inside(host: str, *words: str) -> "subprocess.Popen[bytes]":
        command = ["nsenter", f"--net=/run/netns/{host}", sys.executable, "-m", *words]
        with output.open("a") as file:
            return subprocess.Popen(
                command, stdout=file, stderr=file, cwd=tmp_path, env=environment, start_new_session=True
            )

    def ray(host: str, *words: str) -> None:
        assert inside(host, "ray.scripts.scripts", *words).wait(300) == 0, output.read_text()

    ray(hosts[0], "get-auth-token", "--generate")
    for host, own, more in zip(
        hosts, ADDRESSES, (["--head", "--port=6379"], ["--address=10.231.7.1:6379"]), strict=True
    ):
        room = ["--num-cpus=4", '--resources={"games": 2}', "--object-store-memory=104857600"]
        ray(host, "start", f"--node-ip-address={own}", *more, *room)
    words = ["demo", *SETTINGS.split(), "run.name=chaos", ON_NODES_THAT_PLAY, f"run.folder={tmp_path}"]
    driver = inside(hosts[0], "zeromass", "train", *words, "--cluster", f"{ADDRESSES[0]}:6379")

    def wait_for(condition: Callable[[], bool], seconds: float = 400) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert (driver.poll(), time.monotonic() < until) == (None, True), output.read_text()
            time.sleep(0.5)

    def all_play() -> bool:
        return bool((rows := log_of(run)) and rows[-1]["system/workers_alive"] == ACTORS)

    wait_for(lambda: bool(list_checkpoints(run / "checkpoints")))
    wait_for(all_play)
    ledger, before, started = games_of(run), newest_step(run), time.monotonic()
    ip("-n", hosts[1], "link", "set", hosts[1], "down")
    wait_for(lambda: time.monotonic() > started + DOWN)
    during, restarts = newest_step(run), log_of(run)[-1]["system/restarts"]
    ip("-n", hosts[1], "link", "set", hosts[1], "up")
    wait_for(lambda: newest_step(run) > during)
    wait_for(all_play)
    driver.terminate()
    assert driver.wait(120) == 0, output.read_text()
    games, steps = games_of(run), [row["step"] for row in log_of(run)]
    print(f"\nsteps {before} -> {during} while the link was down -> {newest_step(run)}, {restarts} actors replaced")
    assert during > before
    assert (ledger - games, max(games.values())) == ({}, 1)
    assert steps == list(range(1, 1 + newest_step(run)))
