"""`zeromass uci` as a child process: with python-chess as the program, and with programs that misbehave."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ENVIRONMENT, start_zeromass

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
"""Seconds until a missing answer fails a test; no test waits this long when all is well."""


def test_uciok_needs_nothing_heavy(tmp_path: Path) -> None:
    """What makes `uciok` come at once: torch, Numba and the like are not even imported."""
    script = (
        "import io, os, sys; import zeromass\n"
        "reader, writer = os.pipe(); os.write(writer, b'uci\\nquit\\n'); os.close(writer); os.dup2(reader, 0)\n"
        "assert zeromass.main(['uci']) == 0\n"
        "print(sorted({'torch', 'numba', 'numpy', 'ray', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout.splitlines()[-2:] == ["uciok", "[]"], done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the guide's starter is a POSIX shell script")
def test_starter_of_the_guide(tmp_path: Path) -> None:
    """The script that docs/play.md has people write, run from elsewhere."""
    home = tmp_path / "a project"
    (home / ".venv/bin").mkdir(parents=True)
    (home / ".venv/bin/zeromass").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zeromass "$@"\n')
    (home / ".venv/bin/zeromass").chmod(0o755)
    lines = re.search(r"^printf .*\nchmod .*$", (ROOT / "docs/play.md").read_text(), re.MULTILINE)
    assert lines is not None
    subprocess.run(lines[0], shell=True, cwd=home, check=True)
    done = subprocess.run(
        [home / "zeromass-uci"],
        input="uci\nquit\n",
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stdout.splitlines()[-1] == "uciok", done.stderr


def test_stray_bytes_on_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zeromass", "uci"],
        input=b"\xff\xfe\x00garbage\nuci\n\xc3\x28\nquit\n",
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.splitlines()[-1] == b"uciok"


def test_reader_that_goes_away_ends_the_engine_quietly(tmp_path: Path) -> None:
    process = start_zeromass("uci", folder=tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write("uci\nuci\n")
    process.stdin.flush()
    assert process.wait(PATIENCE) == 0  # though its input is still open
    assert process.stderr.read() == ""
