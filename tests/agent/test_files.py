"""Texts that may be paths, places for results, and what is written there, whatever people type."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import zeromass
from agent.errors import InputError
from agent.files import check_output, save, what_is
from agent.networks.weights import load_weights
from agent.play.saved import find_games
from agent.players.external import find_engine
from agent.runs import find_run
from tests.tables import table
from training.evaluation.opponents import PlayOptions, make_opponent
from training.settings import load_settings

pytestmark = pytest.mark.usefixtures("in_empty_folder")
PASTED = '[Event "a"]\n\n' + " ".join(f"{number}. Nf3 Nf6" for number in range(80))
NO_PATHS = [PASTED, "x" * 256, f"{'x' * 300}/y", "x/" * 3000, "a\nb", "a\0b", "\ud800"]
PLACES: dict[str, Callable[[str], object]] = {
    "weights": lambda text: load_weights(Path(text)),
    "run": find_run,
    "opponent": lambda text: make_opponent(text, 0, PlayOptions()),
    "settings": lambda text: load_settings(text, []),
    "games": lambda text: list(find_games(Path(text))),
    "engine": find_engine,
    "save": lambda text: save(Path(text) / "x", b""),
    "check": lambda text: check_output(Path(text) / "x"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", NO_PATHS, ids=range(len(NO_PATHS)))
def test_a_text_that_is_no_path_is_refused_in_one_line(place: str, text: str) -> None:
    assert what_is(text) == ""
    with pytest.raises(InputError) as refusal:
        PLACES[place](text)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 600
    assert text[0] in str(refusal.value) or text == "\ud800"


VERBS = dict(table("writers"))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", ["missing/x.svg", "folder.svg", "game.pgn/x.svg", f"{'x' * 251}.svg"])
def test_places_are_checked_before_the_work(
    verb: str, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("game.pgn").write_text("1. e4 *")
    for folder in ("folder.svg", "runs/run"):
        Path(folder).mkdir(parents=True)
    Path("runs/run/settings.yaml").touch()
    Path("runs/run/ladder.json").symlink_to("missing/ladder.json")
    monkeypatch.setattr(VERBS[verb], lambda *_: pytest.fail("the work began"))
    assert zeromass.main([*verb.split(), "run" if verb == "ladder" else place]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert f"{'ladder.json' if verb == 'ladder' else place}' cannot be written (" in printed.err


def test_links_pipes_and_devices_stay_what_they_are() -> None:
    Path("target").write_bytes(b"old")
    Path("link").symlink_to("target")
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDWR | os.O_NONBLOCK)
    for name in ("link", "pipe", "/dev/null"):
        check_output(Path(name))
        save(Path(name), b"new")
    assert (Path("link").is_symlink(), Path("target").read_bytes()) == (True, b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert Path("/dev/null").is_char_device()
    with pytest.raises(InputError, match="'loop' cannot be written"):
        check_output(Path("loop"))
    assert sorted(path.name for path in Path().iterdir()) == ["link", "loop", "pipe", "target"]
