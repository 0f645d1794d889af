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
from training.evaluation.opponents import PlayOptions, make_opponent
from training.settings import load_settings

PASTED = '[Event "a"]\n\n' + " ".join(f"{number}. Nf3 Nf6" for number in range(80))
TEXTS = {
    "pasted": PASTED,
    "long": "x" * 256,
    "long folder": f"{'x' * 300}/y",
    "deep": "x/" * 3000,
    "lines": "a\nb",
    "nul": "a\0b",
}


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_is_at_a_path(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    texts: list[str | Path] = ["a", tmp_path, "pipe", "b", "loop", "", "a/b", "\ud800", *TEXTS.values()]
    found = [what_is(text) for text in texts]
    assert found == ["file", "folder", "file", *[""] * (5 + len(TEXTS))]


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
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_no_path_is_refused_in_one_sentence(place: str, text: str) -> None:
    with pytest.raises(InputError) as refusal:
        PLACES[place](TEXTS[text])
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 600
    assert TEXTS[text][:1] in str(refusal.value)


VERBS = {
    "evaluate --pgn": "training.evaluation.command.make_opponent",
    "analyse game.pgn --pgn": "agent.analysis.command.load_agent",
    "analyse game.pgn --picture": "agent.analysis.command.load_agent",
    "report run --out": "training.monitoring.report.report.report_page",
    "ladder": "training.evaluation.ladder.command.find_snapshots",
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", ["missing/x.svg", "folder.svg", "game.pgn/x.svg", f"{'x' * 251}.svg"])
def test_places_are_checked_before_the_work(
    verb: str, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("game.pgn").write_text("1. e4 *")
    Path("folder.svg").mkdir()
    Path("runs/run/ladder.json").mkdir(parents=True)
    Path("runs/run/settings.yaml").touch()
    monkeypatch.setattr(VERBS[verb], lambda *_: pytest.fail("the work began"))
    assert zeromass.main([*verb.split(), "run" if verb == "ladder" else place]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert ("ladder.json" if verb == "ladder" else place)[:100] in printed.err


def test_links_pipes_and_devices_stay_what_they_are(tmp_path: Path) -> None:
    Path("target").write_bytes(b"old")
    Path("link").symlink_to("target")
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDWR | os.O_NONBLOCK)
    for name in ("link", "pipe", "/dev/null", "/dev/stdout"):
        check_output(Path(name))
        save(Path(name), b"new")
    assert (Path("link").is_symlink(), Path("target").read_bytes()) == (True, b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert Path("/dev/null").is_char_device()
    assert Path("/dev/stdout").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "target"]
