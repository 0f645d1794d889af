"""The program as a child process; and a process and everything below it, as `ps` sees them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONIOENCODING": "utf-8"}
"""Of a child that is started in another folder."""

STAND_IN = f"{sys.executable} {Path(__file__).with_name('engine.py')}"  # a UCI engine; see there


def install_stockfish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `stockfish` be the stand-in, told its `folder`."""
    program = folder / "stockfish"
    program.write_text(f"#!/bin/sh\nexec {STAND_IN} {folder}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def heed_ctrl_c() -> None:
    """A shell starts background jobs with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_python(
    *words: str, folder: Path | None = None, typed: str = "", seconds: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python WORDS` to its end; text may hold stray bytes."""
    command, environment = [sys.executable, *words], {**ENVIRONMENT, **variables}
    options: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "timeout": seconds}
    return subprocess.run(command, input=typed, cwd=folder, env=environment, capture_output=True, **options)


class Piped(subprocess.Popen[str]):
    """A process of which all streams are pipes."""

    stdin: IO[str]
    stdout: IO[str]
    stderr: IO[str]


def start_zeromass(*words: str, folder: Path | None = None) -> Piped:
    """`zeromass WORDS` with pipes, which heeds Ctrl-C."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-m", "zeromass", *words]
    return Piped(command, cwd=folder, env=ENVIRONMENT, preexec_fn=heed_ctrl_c, encoding="utf-8", **pipes)


def start_training(
    *words: str,
    folder: Path | None = None,
    output: Any = subprocess.PIPE,
    program: Sequence[str] = ("-m", "zeromass"),
    **variables: str,
) -> subprocess.Popen[str]:
    """`zeromass train WORDS` in a session of its own, both outputs in one."""
    options: dict[str, Any] = {"stdout": output, "stderr": subprocess.STDOUT, "start_new_session": True}
    command, environment = [sys.executable, *program, "train", *words], {**ENVIRONMENT, **variables}
    return subprocess.Popen(command, cwd=folder, env=environment, encoding="utf-8", **options)


def family(root: int | None = None) -> dict[int, str]:
    """Command lines of a process (None: this one) and all below it that run, by process number."""
    # Wide: else lines are cut where the environment says how many columns a terminal has.
    listing = ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="]
    found = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=3) for line in found.splitlines()]
    members, before = {os.getpid() if root is None else root}, 0
    while len(members) > before:
        before = len(members)
        members |= {int(row[0]) for row in rows if int(row[1]) in members}
    return {int(row[0]): row[3] for row in rows if int(row[0]) in members and row[2][0] not in "ZT" and len(row) > 3}


def descendants(title: str, root: int | None = None) -> list[int]:
    """Those of them whose command line has `title`."""
    return [pid for pid, line in family(root).items() if title in line]


def wait_until_gone(processes: Iterable[int], seconds: float = 120) -> None:
    """Until none of these processes runs any more."""
    left, deadline = set(processes), time.monotonic() + seconds
    while left:
        assert time.monotonic() < deadline, f"{sorted(left)} live on"
        left &= family(1).keys()
        time.sleep(0.1)
