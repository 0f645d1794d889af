"""docs/play.md and the lichess-bot file name the options of `play` and of the engine as they are."""

import re
from pathlib import Path
from typing import Any, cast

import yaml
from typer.main import get_command

import zeromass
from agent.uci.options import DECLARED

ROOT = Path(__file__).resolve().parent.parent.parent


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
