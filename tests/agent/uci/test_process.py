"""`zeromass uci` as a child process: with python-chess as the program, and with programs that misbehave."""

import sys
import tomllib
from pathlib import Path

import pytest

from tests.processes import run_python, start_zeromass

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
    done = run_python("-c", script, folder=tmp_path)
    assert done.stdout.splitlines()[-2:] == ["uciok", "[]"], done.stderr


def test_starter_of_the_guide(tmp_path: Path) -> None:
    """`zeromass-uci`, run from elsewhere; it needs no argument, and ends with one sentence where it cannot play."""
    assert "realpath .venv/bin/zeromass-uci" in (ROOT / "docs/play.md").read_text()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["zeromass-uci"].split(":")
    broken = "import agent.networks.bundled as bundled, pathlib; bundled.BUNDLED = pathlib.Path('none'); "
    for first, code, said in (("", 0, ""), (broken, 2, "zeromass: weights file 'none' does not exist")):
        script = f"{first}import sys; from {module} import {function}; sys.exit({function}())"
        typed = "uci\nisready\nquit\n" if code else "uci\nquit\n"
        done = run_python("-c", script, folder=tmp_path, typed=typed, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (code, "uciok"), done.stderr
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == bool(said)


@pytest.mark.slow
def test_uci_test_suite(tmp_path: Path) -> None:
    starter = tmp_path / "zeromass-uci"
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zeromass uci\n')
    starter.chmod(0o755)
    done = run_python("-m", "uci_test_suite", str(starter), seconds=600)
    assert done.returncode == 0, done.stdout
    assert " 0 failed" in done.stdout


def test_stray_bytes_on_standard_input(tmp_path: Path) -> None:
    stray = b"\xff\xfe\x00garbage\nuci\n\xc3\x28\nquit\n".decode(errors="surrogateescape")
    done = run_python("-m", "zeromass", "uci", folder=tmp_path, typed=stray)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "uciok")


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
