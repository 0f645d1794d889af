"""The pictures of the docs are those that `python -m docs.pictures` draws with today's program; the ladders of several
runs on one scale."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import ladders, pictures


def words(picture: Path) -> list[str]:
    """What there is to read, but for the speed of the machine."""
    texts = ElementTree.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")
    return [re.sub(r"[\d,]+/s|\s+", " ", node.text or "").strip() for node in texts]


@pytest.mark.slow
def test_pictures_are_todays(tmp_path: Path) -> None:
    pictures.main(tmp_path)
    images = pictures.DOCS / "images"
    kept = {path.name for path in images.glob("*.svg")} - {path.name for path in images.glob("sick-*")}
    assert {path.name for path in tmp_path.iterdir()} == kept
    changed = [path.name for path in tmp_path.iterdir() if words(path) != words(images / path.name)]
    assert changed == [], "if that is meant: python -m docs.pictures, and look at docs/images"


def ladder(folder: Path, wins: int, how: str = "0.1 s") -> Path:
    """A run that wins 10 of 40 games at its start and `wins` of 40 at its end, against an opponent of 1350."""
    rows = [("start", 10), ("end", wins)]
    pairs = [
        {"how": how, "seed": 0, "first": player, "second": "stockfish:1350"}
        | {"games": 40, "wins": won, "draws": 0, "losses": 40 - won}
        for player, won in rows
    ]
    snapshots = {"start": {"name": "step 0", "step": 0, "minutes": 0.0}}
    snapshots["end"] = {"name": "step 9", "step": 9, "minutes": 60.0}
    folder.mkdir()
    (folder / "ladder.json").write_text(json.dumps({"pairs": pairs, "snapshots": snapshots, "conversions": []}))
    return folder


def test_runs_share_a_scale_and_a_start(tmp_path: Path) -> None:
    folders = {"one": ladder(tmp_path / "one", 20), "two": ladder(tmp_path / "two", 30)}
    elo = {row.player: row.elo for row in ladders.rated(folders).rows}
    # 30 of 40 is 400 log10(3) = 191 Elo above, 10 of 40 as much below; 20 of 40 is level.
    wanted = {"stockfish:1350": 1350, "one, step 9": 1350, "two, step 9": 1541}
    wanted |= dict.fromkeys(("one, step 0", "two, step 0"), 1159)
    assert elo == pytest.approx(wanted, abs=12)
    ladders.main(tmp_path / "both.svg", folders)
    assert {"one", "two"} <= set(words(tmp_path / "both.svg"))


def test_games_of_two_ways_or_none_make_no_scale(tmp_path: Path) -> None:
    folders = {"one": ladder(tmp_path / "one", 20), "two": ladder(tmp_path / "two", 30, "400 simulations")}
    with pytest.raises(SystemExit, match="2 ways"):
        ladders.main(tmp_path / "both.svg", folders)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="0 ways"):
        ladders.main(tmp_path / "both.svg", {"empty": tmp_path / "empty"})
    assert not (tmp_path / "both.svg").exists()
