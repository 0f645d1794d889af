"""docs/play.md and the lichess-bot file name the options of `play` and of the engine as they are."""

import re
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

import zeromass
from agent.uci.options import DECLARED

ROOT = Path(__file__).resolve().parent.parent.parent


def test_guide_names_every_option_of_play() -> None:
    guide = (ROOT / "docs/play.md").read_text().split("| option | meaning |")[1].split("\n\n")[0]
    play: Any = get_command(zeromass.app)
    options = [name for option in play.commands["play"].params for name in option.opts]
    assert sorted(re.findall(r"^\| `(--\w+)", guide, re.MULTILINE)) == sorted(options)


def test_guide_names_every_option() -> None:
    guide = (ROOT / "docs/play.md").read_text().split("| UCI option | meaning |")[1].split("\n\n")[0]
    named = re.findall(r"^\| ([A-Za-z_ ,]+) \|", guide, re.MULTILINE)
    assert {name for row in named for name in row.split(", ")} == set(DECLARED)


def test_lichess_bot_file_sets_options_that_exist() -> None:
    config = yaml.safe_load((ROOT / "configs/lichess-bot.yml").read_text())
    options = config["engine"]["uci_options"]
    assert options.keys() <= DECLARED.keys()
    for name, value in options.items():
        assert DECLARED[name].read(name, str(value)) == value
    assert config["engine"]["protocol"] == "uci"
    assert config["challenge"]["variants"] == ["standard"]
