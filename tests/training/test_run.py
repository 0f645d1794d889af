"""Whole runs through the command line with real Ray actors: to the end, killed, interrupted, through Triton, on
loopback alone."""

import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
import torch

import agent.networks.policy
import kernels
import training.durability.disk
import zeromass
from tests.processes import descendants, family, start_training, wait_until_gone
from tests.training.monitoring.short_run import events_of
from tests.training.runs import log_of
from training.durability.checkpoint import Checkpoints, list_checkpoints, newest_checkpoint, write_checkpoint
from training.durability.run_folder import RunFolder
from training.matches import Matches

SETTINGS = (
    "run.minutes=null run.steps=12 run.name=it network.kind=residual network.blocks=1 network.channels=8 "
    "selfplay.actors=2 selfplay.games=8 selfplay.ply_cap=24 selfplay.plies_per_call=4 learner.batch_size=32 "
    "learner.publish_steps=2 replay.warmup=64 replay.capacity=2000 log.steps=1 evaluation.games=0"
)
TINY = SETTINGS.split()
WITH_MATCHES = "selfplay.actors=0", "evaluation.games=2", "evaluation.ply_cap=10"


def finish(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """What it says until it ends, with this exit code."""
    try:
        output, _ = process.communicate(timeout=500)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == code, output
    return output


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)


def has_rows(run: Path) -> bool:
    return (run / "log.jsonl").exists() and (run / "log.jsonl").stat().st_size > 0


def steps_in_tensorboard(folder: Path, tag: str) -> list[int]:
    return [event.step for event in events_of(RunFolder(folder)).Scalars(tag)]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    subprocess.run(["pkill", "-KILL", "-f", str(tmp_path)], check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without actors."""
    folder = tmp_path_factory.mktemp("runs")
    assert zeromass.main(["train", "demo", *TINY, "selfplay.actors=0", f"run.folder={folder}"]) == 0
    return folder / "it"


def test_a_run_with_ray_actors_ends_with_a_summary(runs: Path) -> None:
    process = start_training("demo", *TINY, "evaluation.games=4", "evaluation.ply_cap=30", folder=runs)
    output = finish(process)
    said = " ".join(output.replace("│", " ").split())  # a long path of the program wraps
    told = "largest invalid mass", "0.0 over", "score before", "score after", " monitor runs/it", " play --run runs/it"
    assert [words for words in (*told, "Traceback") if words not in said] == ["Traceback"]
    run = runs / "runs" / "it"
    assert steps_in_tensorboard(run, "policy/invalid_mass_max") == list(range(1, 13))
    assert steps_in_tensorboard(run, "evaluation/score") == [0, 12]
    assert min((run / "games").iterdir()).read_text().startswith("[Event")


@pytest.mark.parametrize("where", ["sampled", "trained"])
def test_a_mask_broken_on_purpose_stops_the_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    """Logits times mask: the meter must read above 0, and the run must end with position, move and mass."""

    def multiplied(logits: torch.Tensor, *, legal: torch.Tensor) -> torch.Tensor:
        if (where == "trained") != (len(logits) == 32):  # only the learner's batches are that large
            return kernels.masked_softmax(logits, legal=legal)
        return torch.softmax(logits * kernels.unpack_legal(legal, size=1880), dim=-1)

    monkeypatch.chdir(runs)
    monkeypatch.setattr(agent.networks.policy, "masked_softmax", multiplied)
    assert zeromass.main(["train", "demo", *TINY, "selfplay.actors=0"]) == 1
    assert re.search(r"zeromass: invalid mass 0\.\d+ in position '.+': illegal move \w+ has", capsys.readouterr().err)
    names = [path.name for path in list_checkpoints(runs / "runs" / "it" / "checkpoints")]
    assert names == ["step-00000000"]  # of untrained weights: nothing was learned from the leak


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_by_resume(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The match before training is kept; a run that lost its checkpoints is another matter."""
    monkeypatch.chdir(runs)
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "begin", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
        assert zeromass.main(["train", "demo", *TINY, *WITH_MATCHES]) == 2
    assert "then go on with --resume runs/it" in capsys.readouterr().err
    assert zeromass.main(["train", "--resume", "it"]) == 0
    rows = (runs / "runs/it/matches.jsonl").read_text().splitlines()
    assert [(row["when"], row["step"]) for row in map(json.loads, rows)] == [("before", 0), ("after", 12)]
    shutil.rmtree(runs / "runs/it/checkpoints")
    assert zeromass.main(["train", "--resume", "it", "run.steps=16"]) == 2
    assert "no valid checkpoint in 'runs/it/checkpoints': it is empty or missing" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["match", "summary"])
def test_a_match_after_training_that_was_cut_short_is_played_by_resume(
    runs: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """And once only."""

    def play(*words: Any) -> Any:
        return real(*words) if words[2] == "before" else interrupt()

    monkeypatch.chdir(runs)
    real, interrupt = Matches.play, Mock(side_effect=KeyboardInterrupt)
    with monkeypatch.context() as patched:
        patched.setattr(*((Matches, "play", play) if moment == "match" else ("training.run.Summary", interrupt)))
        assert zeromass.main(["train", "demo", *TINY, *WITH_MATCHES]) == 130
    assert [zeromass.main(["train", "--resume", "it"]) for _ in range(2)] == [0, 2]
    rows = (runs / "runs/it/matches.jsonl").read_text().splitlines()
    assert [(row["when"], row["step"]) for row in map(json.loads, rows)] == [("before", 0), ("after", 12)]
    assert json.loads((runs / "runs/it/summary.json").read_text())["after"]["games"] == 2


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("player", "0.opening", np.array([65535], np.int64)),
        ("player", "0.moves", np.array([65535], np.uint16)),
        ("player", "1.versions", None),
        ("optimizer", "", None),
        ("state", "counters", []),
        ("state", "replay", None),
        ("state", "generator", {"state": 7}),
        ("state", "torch_generator", "00"),
    ],
)
def test_a_forged_checkpoint_is_refused_in_a_sentence(
    trained: Path, capsys: pytest.CaptureFixture[str], part: str, name: str, value: Any
) -> None:
    """Its manifest is valid."""
    _, checkpoint, _ = newest_checkpoint(trained / "checkpoints")
    values: Any = dict(getattr(checkpoint, part))
    values[name or min(values)] = value
    if value is None:
        del values[name or min(values)]
    changed: Any = {part: values}
    forged = write_checkpoint(trained / "checkpoints", 13, dataclasses.replace(checkpoint, **changed), keep=9)
    assert zeromass.main(["train", "--resume", str(trained), "run.steps=16"]) == 2
    assert f"zeromass: checkpoint '{forged}' cannot be used (" in capsys.readouterr().err
    shutil.rmtree(forged)


def test_disk_faults(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk pauses the run; a broken one, and a run that has ended, are one sentence."""
    monkeypatch.chdir(runs)
    monkeypatch.setattr(training.durability.disk, "LOOK_SECONDS", 0.01)
    assert zeromass.main(["train", "demo", *TINY, "selfplay.actors=0"]) == 0
    assert zeromass.main(["train", "--resume", "it"]) == 2
    assert "has already trained for its run.minutes=None, run.steps=12; give a larger" in capsys.readouterr().err
    really, refused = os.fsync, [errno.ENOSPC] * 5

    def full_for_a_while(descriptor: int) -> None:
        if refused:
            raise OSError(refused.pop(), "No space left on device")
        really(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_for_a_while)
        assert zeromass.main(["train", "--resume", "it", "run.steps=16"]) == 0
    said = capsys.readouterr().out
    assert "warning: the disk of 'runs/it' is full (No space left on device); training pauses" in said
    assert "there is room on the disk again" in said
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
        assert zeromass.main(["train", "--resume", "it", "run.steps=20"]) == 2
    sentence = "run 'runs/it' cannot be written (Input/output error); make room or repair it, then go on with "
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"zeromass: {sentence}--resume runs/it"
    assert zeromass.main(["train", "--resume", "it", "run.steps=24"]) == 0
    assert newest_checkpoint(runs / "runs" / "it" / "checkpoints")[1].state["step"] == 24


@pytest.mark.slow
def test_killed_and_resumed_the_curve_has_no_gap_and_no_overlap(runs: Path) -> None:
    run = runs / "runs" / "it"
    process = start_training("demo", *TINY, "run.steps=100000", "run.checkpoint_seconds=0.5", folder=runs)
    # Beyond a checkpoint, so that rows must be cut on resume.
    wait_for(lambda: len(list_checkpoints(run / "checkpoints")) >= 2, process)
    trainers = descendants("ray::Trainer", process.pid)
    process.kill()
    process.communicate()
    wait_until_gone(trainers)  # dies with its driver, and on a busy machine writes another checkpoint before
    _, before, _ = newest_checkpoint(run / "checkpoints")
    step = before.state["step"]
    more = f"run.steps={step + 20}", "run.checkpoint_seconds=1000"
    assert f"resuming runs/it from step-{step:08d}" in finish(start_training("--resume", "it", *more, folder=runs))
    steps = [row["step"] for row in log_of(run)]
    assert steps_in_tensorboard(run, "loss/total") == steps == list(range(1, step + 21))
    after, earlier = newest_checkpoint(run / "checkpoints")[1].state, before.state
    assert (after["step"], after["counters"]["streams"]) == (step + 20, earlier["counters"]["streams"] + 2)
    assert after["counters"]["games"] >= earlier["counters"]["games"]
    assert after["replay"]["added"] >= earlier["replay"]["added"]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow), 0]
)
def test_ctrl_c_and_sigterm_end_in_a_checkpoint_and_say_how_to_go_on(runs: Path, number: signal.Signals) -> None:
    """SIGTERM is what preemptible machines send, a minute before they go; 0: to our processes below the driver too."""
    run = runs / "runs" / "it"
    process = start_training("demo", *TINY, "run.steps=100000", "run.checkpoint_seconds=1000", folder=runs)
    wait_for(lambda: has_rows(run), process)
    # A terminal signals the whole group.
    for pid, line in family(process.pid).items() if number == 0 else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(
                pid, signal.SIGTERM if "ray::Trainer" in line or "ray::GameActor" in line or pid == process.pid else 0
            )
    (os.kill if number == signal.SIGTERM else os.killpg)(process.pid, number)
    output = finish(process)
    assert re.search("go on with.* train --resume runs/it", " ".join(output.replace("│", " ").split()))
    assert "Traceback" not in output
    path, _, _ = newest_checkpoint(run / "checkpoints")
    assert int(path.name.removeprefix("step-")) > 0


def test_a_run_trains_on_searched_games(runs: Path) -> None:
    finish(start_training("demo", *TINY, "selfplay.simulations=4", folder=runs))
    summary = json.loads((runs / "runs" / "it" / "summary.json").read_text())
    assert (summary["steps"], summary["largest_invalid_mass"]) == (12, 0.0)
    assert min(summary["games"], summary["distributions"]) > 0
    rows = log_of(runs / "runs" / "it")
    assert {(row["system/restarts"], row["system/workers_alive"] + row["system/workers_waiting"]) for row in rows} == {
        (0, 2)
    }
    lags = [row["system/version_lag"] for row in rows if "system/version_lag" in row]
    assert 0 <= min(lags) <= max(lags) <= 6  # a version every second step: there are no more


def test_selfplay_and_learner_pass_through_the_triton_kernels(runs: Path) -> None:
    """The same command, workers and all, with every masked kernel interpreted from its Triton source."""
    tiny = ["run.steps=2", "selfplay.games=2", "selfplay.ply_cap=10", "learner.batch_size=4", "replay.warmup=8"]
    triton = {"TRITON_INTERPRET": "1", "ZEROMASS_KERNELS_BACKEND": "triton"}
    finish(start_training("demo", *TINY, *tiny, folder=runs, **triton))
    summary = json.loads((runs / "runs" / "it" / "summary.json").read_text())
    assert summary["distributions"] > summary["largest_invalid_mass"] == 0.0
    for side, needed in (
        ("selfplay_kernels", {"masked_sample", "masked_softmax", "invalid_mass"}),
        ("learner_kernels", {"policy_terms", "policy_terms_backward", "masked_softmax", "invalid_mass"}),
    ):
        ran = summary[side]
        assert {name for name in ran if not name.endswith(".triton")} == set(), ran
        assert all(any(name.startswith(op) and count > 0 for name, count in ran.items()) for op in needed), ran


def listening(processes: set[int]) -> list[str]:
    """Addresses on which the processes listen."""
    addresses = list[str]()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            held = psutil.Process(process).net_connections("tcp")
            addresses += [one.laddr.ip for one in held if one.status == psutil.CONN_LISTEN]
    return [address.removeprefix("::ffff:") for address in addresses]


def test_a_local_run_listens_on_loopback_alone(runs: Path) -> None:
    """Ray, trainer and game actors."""
    process = start_training("demo", *TINY, "run.steps=100000", folder=runs)
    wait_for(lambda: has_rows(runs / "runs" / "it"), process, seconds=300)
    found = listening(set(family(process.pid)))
    process.terminate()
    finish(process)
    assert Path("~/.ray/auth_token").expanduser().stat().st_mode & 0o077 == 0
    assert len(found) > 3
    assert {address for address in found if not address.startswith("127.") and address != "::1"} == set(), found
