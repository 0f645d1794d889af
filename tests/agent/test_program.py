"""The command that messages suggest is one that works where the user is."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.program import program, remember_program
from tests.tables import table


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZEROMASS_PROGRAM", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    for name in ("bin/zeromass", "bin/python", "my venv/bin/zeromass", "venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(mode=0o755)


@pytest.mark.parametrize(("script", "python", "shown"), table("programs"))
def test_the_path_is_shown_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, python: str, shown: str
) -> None:
    monkeypatch.setattr(sys, "argv", [script.format(here=tmp_path), "train"])
    monkeypatch.setattr(sys, "executable", python.format(here=tmp_path))
    assert program() == shown


def test_without_zeromass_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin/zeromass").unlink()
    monkeypatch.setattr(sys, "argv", ["env/bin/zeromass"])
    assert program() == "env/bin/zeromass"


def test_a_worker_process_shows_the_drivers_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray starts its workers from scripts of its own; they inherit the driver's environment."""
    monkeypatch.setattr(sys, "argv", ["env/bin/zeromass", "train"])
    remember_program()
    command = [sys.executable, "-c", "from agent.program import program; print(program())"]
    assert subprocess.check_output(command, cwd=Path(__file__).resolve().parents[2]) == b"env/bin/zeromass\n"
