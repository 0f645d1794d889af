"""`zeromass uci` as a child process; docs/play.md and the lichess-bot file name the options as they are."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from typer.main import get_command

import zeromass
from agent.uci.options import DECLARED
from tests.agent.standin import PATIENCE
from tests.processes import run_python, start_zeromass

ROOT = Path(__file__).resolve().parents[3]


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


def test_guide_names_every_option() -> None:
    guide, play = (ROOT / "docs/play.md").read_text(), cast(Any, get_command(zeromass.app)).commands["play"]
    table = guide.split("| option | meaning |")[1].split("\n\n")[0]
    options = [name for option in play.params for name in option.opts]
    assert sorted(re.findall(r"^\| `(--\w+)", table, re.MULTILINE)) == sorted(options)
    table = guide.split("| UCI option | meaning |")[1].split("\n\n")[0]
    named = re.findall(r"^\| ([A-Za-z_ ,]+) \|", table, re.MULTILINE)
    assert {name for row in named for name in row.split(", ")} == set(DECLARED)


def test_lichess_bot_file_sets_options_that_exist() -> None:
    config = yaml.safe_load((ROOT / "configs/lichess-bot.yml").read_text())
    options = config["engine"]["uci_options"]
    assert options.keys() <= DECLARED.keys()
    for name, value in options.items():
        assert DECLARED[name].read(name, str(value)) == value
    assert config["engine"]["protocol"] == "uci"
    assert config["challenge"]["variants"] == ["standard"]
