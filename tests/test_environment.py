"""Outputs that close or lack characters, hang-ups, starts that fail, control groups, home folders."""

import contextlib
import errno
import io
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import ray
from rich.console import Console

import zeromass
from agent.files import typed_path
from tests.training.monitoring.test_status import fake_run, sick_rows
from tests.training.test_run import TINY, has_rows
from training import doctor, train
from training.durability import run_folder
from training.durability.checkpoint import newest_checkpoint
from training.durability.progress_relay import Progress
from training.durability.run_folder import RunFolder, run_locked
from training.learner import LearningError
from training.monitoring.display import Display
from training.settings import load_settings

FEN = "7k/6Q1/5K2/8/8/8/8/8 b - - 0 1"
RUN = os.fsdecode(b"r\xff")
FACES = (
    *("--help", "doctor", "doctor --json", f"status {RUN}", f"status {RUN} --json", "uci"),
    *(f"play --plain --fen '{FEN}'", "analyse --nodes 4 '7k/8/5K2/8/8/8/8/6Q1 w - - 0 1'", "train nowhere"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    fake_run(Path(RUN), *sick_rows())
    Path("input").write_text("uci\nquit\n")
    with Path("input").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield tmp_path


@contextlib.contextmanager
def nobody_reads(*names: str) -> Iterator[None]:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream, pytest.MonkeyPatch.context() as patched:
        for name in names:
            patched.setattr(sys, name, stream)
        yield
        stream.flush()  # as Python does at its end: it would complain


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("face", FACES)
def test_an_output_that_nobody_reads_ends_quietly(face: str, name: str) -> None:
    with nobody_reads(name), contextlib.suppress(SystemExit):
        assert zeromass.main(shlex.split(face)) in (0, 1, 2)


@pytest.mark.parametrize("face", FACES[:-1])
def test_a_full_disk_below_an_output_is_one_sentence(capsys: pytest.CaptureFixture[str], face: str) -> None:
    with Path("/dev/full").open("w") as stream, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        assert zeromass.main(shlex.split(face)) == 2
    assert capsys.readouterr().err.endswith("(No space left on device); make room, or name another place\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", None])
def test_characters_that_an_output_lacks(monkeypatch: pytest.MonkeyPatch, encoding: str | None) -> None:
    for face in FACES:
        stream = encoding and Path("said").open("w", encoding=encoding)  # noqa: SIM115
        for name in ("stdout", "stderr", "stdin")[: 2 if stream or face == "uci" else 3]:
            monkeypatch.setattr(sys, name, stream)  # None: closed, as with `>&-`
        assert zeromass.main(shlex.split(face)) in (0, 1, 2)
        assert not stream or Path("said").stat().st_size > 20


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_a_lost_display_is_no_error(monkeypatch: pytest.MonkeyPatch, number: int, terminal: bool) -> None:
    class Lost(io.StringIO):
        def write(self, text: str = "") -> int:
            raise OSError(number, "")

        flush = write  # type: ignore[assignment]

    monkeypatch.setattr(sys, "stderr", Lost())
    display = Display(Console(file=Lost(), force_terminal=terminal))
    for progress in (Progress("training", 0.0, ""), Progress("training", 0.5, ""), None):
        display.tick(progress)
        display.say("hello")
        display.say("hello", error=True)


def test_a_training_whose_terminal_closes_ends_in_a_checkpoint() -> None:
    def close() -> None:
        while not has_rows(Path("runs/it")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGHUP)

    threading.Thread(target=close, daemon=True).start()
    with nobody_reads("stdout", "stderr"):
        assert zeromass.main(["train", "demo", *TINY, "run.steps=100000", "selfplay.actors=0"]) == 0
    assert newest_checkpoint(Path("runs/it/checkpoints"))[1].state["step"] > 0
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    with train._stop_on_signals():
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (None, r"cannot exceed 107 bytes: .*set TMPDIR to a folder that .* a short path, such as /tmp"),
        (PermissionError(13, "Permission denied"), r"Permission denied\); set TMPDIR to a folder that can be written"),
        (OSError(28, "No space left on device"), r"No space left on device\); set TMPDIR to .* has room"),
        (TimeoutError("no answer"), r"no answer\); try again when it is less busy"),
        (RuntimeError("no answer"), r"no answer\); try again when it is less busy"),
    ],
)
def test_a_start_that_fails_names_its_cause_and_leaves_the_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Any, sentence: str
) -> None:
    def fail(**options: object) -> None:
        assert os.access(os.environ["HOME"], os.W_OK)
        raise error

    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("TMPDIR", str(folder / ("long" * 20)))
    if error is not None:
        monkeypatch.setattr(ray, "init", fail)
    for _ in range(2):
        assert zeromass.main(["train", "demo", *TINY]) == 2
        assert re.match(f"zeromass: Ray did not start on this machine .*{sentence}", capsys.readouterr().err)


def test_a_run_folder_without_checkpoint_and_trainer_is_used_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, run = ["train", "demo", *TINY, "selfplay.actors=0", "run.folder=my runs"], Path("my runs/it")
    run.mkdir(parents=True)
    with run_locked(run):
        assert zeromass.main(words) == 2
        assert RunFolder(run).go_on == "go on with --resume 'my runs/it'"
    assert "run 'my runs/it' is being trained by another process; stop that one first" in capsys.readouterr().err
    (run / "matches.jsonl").write_text('{"step": 0, "when": "before"}\n')
    assert [zeromass.main(words), zeromass.main(words)] == [0, 2]
    assert "'my runs/it' exists already; go on with --resume 'my runs/it', or choose" in capsys.readouterr().err
    assert zeromass.main([*words, f"run.folder={'x' * 300}"]) == 2
    assert "cannot be made (File name too long); set run.folder or run.name" in capsys.readouterr().err
    for name in (".lock", ".driver"):
        (run / name).unlink()
        (run / name).symlink_to("/proc/none")
        assert zeromass.main(["train", "--resume", str(run), "run.steps=16"]) == 2
        assert "run 'my runs/it' cannot be written (No such file" in capsys.readouterr().err
        (run / name).unlink()
    with monkeypatch.context() as patched:
        patched.setattr("fcntl.flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
        assert zeromass.main(["train", "--resume", str(run), "run.steps=16"]) == 2
    assert "run 'my runs/it' cannot be written (No locks available)" in capsys.readouterr().err


def test_of_two_that_start_or_resume_a_run_at_once_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the first one still starts Ray, say."""
    monkeypatch.setattr(run_folder, "PATIENCE", 0.5)
    codes: list[int] = []

    def start_others(*_: object, **__: object) -> None:
        if not codes:
            codes.append(0)  # only once
            codes[:] = [zeromass.main([*words, "run.seed=8"]), zeromass.main(["train", "--resume", "it"])]
        raise LearningError("stopped", "stopped")

    monkeypatch.setattr(train, "run_training", start_others)
    words = ["train", "demo", *TINY, "selfplay.actors=0"]
    assert zeromass.main([*words, "run.seed=7"]) == 1
    assert codes == [2, 2]
    assert capsys.readouterr().err.count("run 'runs/it' is being trained by another process; stop that one first") == 2
    assert RunFolder(Path("runs/it")).settings([]).run.seed == 7


OLD = "cpu/{0}cpu.cfs_quota_us={1}, cpu/{0}cpu.cfs_period_us=100000, memory/{0}memory.limit_in_bytes={2}"  # version 1


@pytest.mark.parametrize(
    ("groups", "files", "found"),
    [
        ("0::/", "cpu.max=150000 100000, memory.max=1000", (2, 1000)),
        ("0::/", "cpu.max=max 100000, memory.max=max", (8, 10**6)),
        ("0::/a/b", "a/cpu.max=300000 100000, a/b/cpu.max=max 100000, a/memory.max=7", (3, 7)),
        # In a container.
        ("4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/docker/x", OLD.format("", 50000, 9), (1, 9)),
        ("3:cpuacct,cpu:/x\n4:memory:/x", OLD.format("x/", -1, 999999999), (8, 10**6)),
        (None, "other=", (8, 10**6)),
    ],
)
def test_limits_of_control_groups(
    folder: Path, monkeypatch: pytest.MonkeyPatch, groups: str | None, files: str, found: tuple[int, int]
) -> None:
    for name, text in [file.split("=") for file in files.split(", ")] + ([["groups", f"{groups}\n"]] if groups else []):
        (folder / "limits" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "limits" / name).write_text(text)
    monkeypatch.setattr(doctor, "_GROUPS", folder / "limits/groups")
    monkeypatch.setattr(doctor, "_LIMITS", folder / "limits")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: 1000)
    assert (doctor.usable_cores(), doctor.usable_memory()) == found


def test_home_in_typed_paths(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOME", str(folder))
    Path("own.yaml").write_text("run:\n  folder: ~/runs\n  minutes: 1\nnetwork:\n  weights: ~/w.safetensors\n")
    settings = load_settings("~/own.yaml")
    assert (settings.run.folder, settings.network.weights) == (f"{folder}/runs", f"{folder}/w.safetensors")
    assert zeromass.main(["train", "demo", "run.folder=~/input"]) == 2
    assert f"run folder '{folder}/input/" in capsys.readouterr().err
    assert zeromass.main(["play", "--weights=~/none"]) == 2
    assert f"weights file '{folder}/none' does not exist" in capsys.readouterr().err
    assert zeromass.main(["status", "~/" + RUN]) == 1
    Path("input").write_text("save ~/x.pgn\nload ~/x.pgn\nengine ~/fish\nquit\n")
    assert zeromass.main(["play", "--plain"]) == 0
    said = capsys.readouterr().out
    for sentence in ("Saved to ~/x.pgn", "Loaded ~/x.pgn", f"ngine '{folder}/fish' is not on PATH"):
        assert sentence in said
    assert not Path("~").exists()
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    assert typed_path("~/x") == Path("~/x")
