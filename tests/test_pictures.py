"""The pictures of the docs are those that `python -m docs.pictures` draws with today's program."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import pictures


def words(picture: Path) -> list[str]:
    """What there is to read, but for the speed of the machine."""
    texts = ElementTree.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")
    return [re.sub(r"[\d,]+/s|\s+", " ", node.text or "").strip() for node in texts]


@pytest.mark.slow
def test_pictures_are_todays(tmp_path: Path) -> None:
    pictures.main(tmp_path)
    images = pictures.DOCS / "images"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in images.glob("*.svg")}
    changed = [path.name for path in tmp_path.iterdir() if words(path) != words(images / path.name)]
    assert changed == [], "if that is meant: python -m docs.pictures, and look at docs/images"
