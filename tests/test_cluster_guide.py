"""The cluster guide and the manifest: followed word for word on two nodes made here; read as Kubernetes would."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import descendants
from training.durability.checkpoint import list_checkpoints, newest_checkpoint
from training.settings import load_settings
from zeromass import split_arguments

ROOT = Path(__file__).resolve().parent.parent
SMALL = (
    "run.steps=12 run.minutes=null network.width=64 network.hidden=32 selfplay.simulations=8 selfplay.games=8 "
    "selfplay.ply_cap=24 learner.batch_size=32 replay.warmup=64 evaluation.games=0 log.steps=1"
)


def block(name: str) -> str:
    """The guide's commands under this name."""
    found = re.findall(rf"^```sh {name}\n(.*?)^```", (ROOT / "docs" / "cluster.md").read_text(), re.M | re.S)
    assert len(found) == 1, name
    return str(found[0])


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in probes]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which the guide's commands find what two machines would have; their daemons end with it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: which of our addresses others would see
        address = probe.getsockname()[0]
    with tempfile.TemporaryDirectory(prefix="zm-", dir="/tmp", ignore_cleanup_errors=True) as short:
        yield {
            **os.environ,
            "HOME": str(tmp_path),
            "HEAD": address,
            "RAY_TMPDIR": short,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        }
        while pids := descendants(short, root=1):  # a daemon that dies late may still write below `short`
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_guide_works_word_for_word_on_two_nodes(machines: dict[str, str], tmp_path: Path) -> None:
    ports = free_ports(4)

    def run(name: str, more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The commands as they stand there, but for the ports, which may be taken here, and a small network."""
        commands = block(name).rstrip().replace("6379", str(ports[0])).replace("8265", str(ports[1])) + more
        environment = {**machines, **variables}
        options: dict[str, Any] = {"cwd": tmp_path, "env": environment, "timeout": 600, "text": True}
        return subprocess.run(["bash", "-e", "-c", commands], capture_output=True, check=False, **options)

    def follow(name: str, more: str = "") -> str:
        done = run(name, more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    follow("token")
    for name, port in zip(("head", "node"), ports[2:], strict=True):  # two machines would not share this port
        follow(name, f" --dashboard-agent-listen-port={port}")
    assert "first: done" in follow("train", f" {SMALL}")
    rows = [json.loads(line) for line in (tmp_path / "runs" / "first" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert "first: done" in follow("resume", " run.steps=20").partition("resuming")[2]
    follow("submit", f" {SMALL.replace('run.steps=12', 'run.steps=1000000')} run.checkpoint_seconds=1")
    long = tmp_path / "runs" / "long"
    until = time.monotonic() + 300
    while not any(path.name > "step-00000005" for path in list_checkpoints(long / "checkpoints")):
        assert time.monotonic() < until, follow("logs")
        time.sleep(0.5)
    follow("stop")
    assert "long: stopped" in follow("logs")
    logged = [json.loads(line) for line in (long / "log.jsonl").read_text().splitlines()]
    assert newest_checkpoint(long / "checkpoints")[1].state["step"] == logged[-1]["step"]
    refused = run("resume", " run.steps=30", RAY_AUTH_TOKEN="0" * 64)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "cannot be joined" in refused.stderr
    assert "Traceback" not in refused.stderr


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "configs" / "kuberay.yaml").read_text()))


def test_the_manifest_is_what_kuberay_reads() -> None:
    claim, job = documents()
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text()
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod.get("volumes", [])}
        assert set(volumes.values()) <= {claim["metadata"]["name"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= set(volumes)
            assert container["resources"]["requests"] == container["resources"]["limits"]
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert json.loads(json.loads(groups[-1]["rayStartParams"]["resources"])) == {"games": 8}


def test_the_manifest_asks_for_settings_that_there_are() -> None:
    script = shlex.split(documents()[1]["spec"]["entrypoint"])
    assert script[:2] == ["sh", "-c"]
    assert subprocess.run(["sh", "-n", "-c", script[2]], check=False).returncode == 0
    commands = [words.split() for words in re.findall(r"zeromass train ([^;]*);", script[2])]
    assert commands[0] == ["--resume", "/runs/kube", "--cluster", "auto"]
    words = shlex.split(" ".join(commands[1]))
    place = words.index("--cluster")
    config, overrides = split_arguments(words[:place] + words[place + 2 :])
    settings = load_settings(config, overrides)
    assert settings.selfplay.resources == {"games": 1.0}
    assert settings.learner.node == "any"
    assert Path(settings.run.folder, settings.run.name) == Path("/runs/kube")


def test_the_dockerfile_copies_what_there_is_and_makes_the_image_of_the_manifest() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for name in line.split()]
    assert all((ROOT / name).exists() for name in copied)
    assert sorted(copied) == sorted(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.M))
    built = re.findall(r"docker build -t (\S+)", text + (ROOT / "docs" / "cluster.md").read_text())
    assert set(built) == set(re.findall(r"image: (\S+)", (ROOT / "configs" / "kuberay.yaml").read_text()))
