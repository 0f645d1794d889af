"""A run on two network namespaces, as on two machines, whose link fails for a while: `pytest -m hours`, as root."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.arena import ON_NODES_THAT_PLAY, SETTINGS
from tests.test_cluster_guide import machines  # noqa: F401 - a fixture
from tests.training.durability.test_supervisor import games_of, newest_step
from tests.training.runs import log_of
from training.durability.checkpoint import list_checkpoints
from training.durability.run_folder import read_rows

HOSTS = {"zm-a": "10.231.7.1", "zm-b": "10.231.7.2"}
DOWN = 45.0  # seconds
ACTORS = 3


def ip(words: str) -> str:
    """What `ip` says against it; empty where it did it."""
    try:
        return subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False).stderr
    except OSError as error:
        return str(error)


@pytest.fixture
def link() -> Iterator[None]:
    """A network namespace for each host; the interface between them is called like the host."""
    refused = "".join(ip(f"netns add {host}") for host in HOSTS)
    refused += ip("link add zm-a netns zm-a type veth peer zm-b netns zm-b")
    for host, address in HOSTS.items():
        refused += ip(f"-n {host} addr add {address}/24 dev {host}") + ip(f"-n {host} link set lo up")
        refused += ip(f"-n {host} link set {host} up")
    try:
        if refused:
            pytest.skip(f"no network namespaces here: {refused.splitlines()[0]}")
        yield
    finally:
        for host in HOSTS:
            ip(f"netns del {host}")


@pytest.mark.hours
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("link")
def test_a_run_goes_on_while_a_link_is_down_and_after(machines: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    run, output = tmp_path / "chaos", tmp_path / "output"

    def on(host: str, command: str) -> "subprocess.Popen[bytes]":
        words = ["nsenter", f"--net=/run/netns/{host}", *shlex.split(command)]
        variables = machines | {"RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0"}
        with output.open("a") as file:
            return subprocess.Popen(words, stdout=file, stderr=file, cwd=tmp_path, env=variables)

    head = f"{HOSTS['zm-a']}:6379"
    start = "ray start --num-cpus=4 --resources='{\"games\": 2}' --object-store-memory=104857600 --node-ip-address="
    for host, command in (
        ("zm-a", "ray get-auth-token --generate"),
        ("zm-a", f"{start}{HOSTS['zm-a']} --head --port=6379"),
        ("zm-b", f"{start}{HOSTS['zm-b']} --address={head}"),
    ):
        assert on(host, command).wait(300) == 0, output.read_text()
    settings = f"{SETTINGS} run.name=chaos run.folder={tmp_path} '{ON_NODES_THAT_PLAY}'"
    driver = on("zm-a", f"zeromass train demo --cluster {head} {settings}")

    def wait_for(condition: Callable[[], bool], seconds: float = 400) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert (driver.poll(), time.monotonic() < until) == (None, True), output.read_text()
            time.sleep(0.5)

    def all_play() -> bool:
        return bool((rows := read_rows(run / "log.jsonl")) and rows[-1]["system/workers_alive"] == ACTORS)

    wait_for(lambda: bool(list_checkpoints(run / "checkpoints")))
    wait_for(all_play)
    ledger, before, until = games_of(run), newest_step(run), time.monotonic() + DOWN
    ip("-n zm-b link set zm-b down")
    wait_for(lambda: time.monotonic() > until)
    during, restarts = newest_step(run), read_rows(run / "log.jsonl")[-1]["system/restarts"]
    ip("-n zm-b link set zm-b up")
    wait_for(lambda: newest_step(run) > during)
    wait_for(all_play)
    driver.terminate()
    assert driver.wait(120) == 0, output.read_text()
    games, steps = games_of(run), [row["step"] for row in log_of(run)]
    print(f"\nsteps {before}, {during} when the link came back, {steps[-1]}; {restarts:.0f} actors replaced meanwhile")
    assert during > before
    assert (ledger - games, max(games.values())) == ({}, 1)
    assert steps == list(range(1, 1 + newest_step(run)))
