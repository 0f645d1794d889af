"""The pictures of the docs are those that `python -m docs.pictures` draws with today's program."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import pictures
from tests.agent.terminal.screens import text_of

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SPEED = re.compile(r"[\d,]+/s|\s+")


def words(picture: Path) -> list[str]:
    """What there is to read, but for the speed of the machine."""
    texts = ElementTree.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")
    return [SPEED.sub(" ", node.text or "").strip() for node in texts]


def test_the_board_shows_moves_that_were_looked_at() -> None:
    lines = text_of((IMAGES / "board-figurines.svg").read_text())
    visits = [int(found[1]) for line in lines if (found := re.search(r"\d %\s+(\d+)\s+[+-]\d\.\d\d", line))]
    assert len(visits) >= 3
    assert min(visits) > 0


@pytest.mark.slow
def test_pictures_are_todays(tmp_path: Path) -> None:
    pictures.main(tmp_path)
    kept = {path.name for path in IMAGES.glob("*.svg")}
    assert {path.name for path in tmp_path.iterdir()} == kept
    changed = [name for name in sorted(kept) if words(tmp_path / name) != words(IMAGES / name)]
    assert changed == [], "if that is meant: python -m docs.pictures, and look at docs/images"
