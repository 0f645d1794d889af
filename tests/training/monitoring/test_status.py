"""`zeromass status`, `report` and `monitor` on run folders, through the command line."""

import base64
import hashlib
import io
import json
import math
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import chess
import chess.pgn
import pytest
from ray.util.metrics import Gauge
from rich.console import Console

import zeromass
from tests.training.monitoring.short_run import short_run
from tests.training.records import standing
from training.durability.run_folder import RunFolder, append_row, read_rows
from training.evaluation.ladder.standings import Results, Standings
from training.evaluation.match import MatchResult
from training.monitoring import metrics as metrics_module
from training.monitoring import status as status_module
from training.monitoring.display import Display
from training.monitoring.metrics import Metrics
from training.monitoring.report.report import report_page
from training.monitoring.status import has_ended, sparkline
from training.monitoring.tags.tags import TAGS
from training.monitoring.tensorboard import SHOWN, runs_found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = short_run(tmp_path_factory.mktemp("runs"), 12)
    players = [standing("step-12 <b>", 50, 20, 80, 1.0), standing("random", 0, 0, 0, None)]
    Results(folder.path / "ladder.json").write(Standings("64 simulations", "", players, []).to_json())
    append_row(folder.matches, {"step": 12, "when": "after", **MatchResult("random", 2, 1, 0, 1, 0).to_json()})
    return folder


def fake_run(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text("run:\n  steps: 1\n")
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def sick_rows(count: int = 10) -> list[dict[str, Any]]:
    sick, now = {"system/version_lag": 90.0, "loss/value": 0.5}, time.time()
    return [{"step": at, "time": now - count + at, **sick} for at in range(count)]


def test_a_healthy_run_exits_with_0(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    code = zeromass.main(["status", str(run.path)])
    lines = capsys.readouterr().out.splitlines()
    zeromass.main(["status", str(run.path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, lines[0]) == (1 if found["causes"] else 0, found["verdict"])
    assert "step 12, 6 rows" in lines[1]
    assert any("policy/invalid_mass_max" in line and "exactly 0" in line for line in lines)


def test_a_sick_run_exits_with_1_and_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_run(tmp_path / "sick", *sick_rows())
    assert zeromass.main(["status", str(folder)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("SICK: stale actors: system/version_lag is 90 versions (healthy: 16 versions or less)\n")
    assert "learner.publish_steps" in said
    assert zeromass.main(["status", str(folder), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["causes"], found["findings"][0]["tag"]) == (["stale actors"], "system/version_lag")
    assert (found["values"]["loss/value"], found["step"], found["ended"]) == (0.5, 9, False)
    assert found["age"] < 3600


def test_a_figure_of_the_guard_is_shown_with_its_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"step": 1, "time": time.time(), "guard/decisive": 0.05, "guard/alarm/decisive": 0.0}
    folder = fake_run(tmp_path / "it", row, row, row)
    (folder / "settings.yaml").write_text("run:\n  steps: 1\nguard:\n  decisive: 0.04\n")
    assert zeromass.main(["status", str(folder)]) == 0
    assert re.search(r"guard/decisive .*\b5 %.*4 % or more", capsys.readouterr().out)


def test_a_run_without_rows_is_too_early(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_run(tmp_path / "new")
    assert zeromass.main(["status", str(folder)]) == 0
    assert re.match("TOO EARLY(.|\n)*no rows yet", capsys.readouterr().out)
    assert _Page(report_page(RunFolder(folder))).open == []


def test_following_ends_with_the_run_or_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, slept = fake_run(tmp_path / "it", *sick_rows()), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            (folder / "summary.json").write_text("{}")

    monkeypatch.setattr(time, "sleep", sleep)
    assert zeromass.main(["status", str(folder), "--follow"]) == 1
    assert slept == [status_module.REFRESH] * 3
    assert has_ended(RunFolder(folder))
    monkeypatch.setattr(time, "sleep", Mock(side_effect=KeyboardInterrupt))
    assert zeromass.main(["status", str(fake_run(tmp_path / "other")), "--follow"]) == 0


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *(("log.jsonl", content) for content in (b"\xff\xfe", b"[" * 99_999, b'{"step": true}')),
        ("log.jsonl", b'{"step": 1, "time": "x"}'),
        ("log.jsonl", b'{"step": 1, "loss/value": 1%s}' % (b"0" * 400)),
        ("log.jsonl", b'{"step": 1, "policy/entropy": Infinity}\n{"step": 2, "policy/entropy": NaN}'),
        *(("matches.jsonl", content) for content in (b"\xff", b'{"step": 1}', b'{"step": 1, "score": "x"}')),
        *(("summary.json", content) for content in (b"", b"null", b"{}", b'{"games": []', b"\xff")),
        ("ladder.json", b'{"standings": [{}]}'),
        ("log.jsonl", None),  # a folder
    ],
)
def test_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes | None) -> None:
    """It costs no more than what is in it."""
    path = fake_run(tmp_path / "run", {"step": 1, "time": 1.0}) / file
    path.unlink(missing_ok=True)
    path.mkdir() if content is None else path.write_bytes(content)
    for verb in ("status", "report"):
        assert zeromass.main([verb, str(path.parent)]) == (2 if content is None else 0)
        assert "cannot be read" in capsys.readouterr().err or content is not None


def test_a_torn_line_swallows_no_other(tmp_path: Path) -> None:
    folder = RunFolder(fake_run(tmp_path / "run"))
    folder.matches.write_bytes(b'{"step": 0, "wh\xff')
    for step in (1, 2):
        append_row(folder.matches, {"step": step, "a\x1b[2J": 1})
    assert [*map(list, read_rows(folder.matches))] == [["step", r"a\x1b[2J"]] * 2
    assert folder.matches.read_bytes().endswith(b'}\n{"step": 2, "a\\u001b[2J": 1}\n')


@pytest.mark.parametrize("wrong", [{"wins": "1"}, {"games": 10**30}, {"losses": -1}, {"draws": 1}])
def test_what_is_no_match_is_none(tmp_path: Path, wrong: dict[str, Any]) -> None:
    folder, row = RunFolder(fake_run(tmp_path / "run")), MatchResult("[/x]\x1b]0;\x07", 2, 1, 0, 1, 0).to_json()
    append_row(folder.matches, {"step": 0, "when": "before", **row, **wrong})
    assert folder.match("before") is None
    append_row(folder.matches, {"step": 1, "when": "before", **row})
    before = folder.match("before", 1)
    assert (before and before.opponent) == r"[/x]\x1b]0;\x07"
    counts = dict.fromkeys(("games", "positions", "steps", "seconds", "distributions", "largest_invalid_mass"), 1)
    summary = Mock(before=before, after=before, folder=folder.path, missing="", **counts)
    Display(Console(file=io.StringIO())).summary(summary)  # no markup


def test_sparklines() -> None:
    assert [sparkline(values) for values in ([], [5.0, 5.0], [0.0, 7.0])] == ["", "▁▁", "▁█"]
    long = sparkline([float(at) for at in range(1000)])
    assert len(long) <= 17
    assert long[0] == "▁"


class _Page(HTMLParser):
    """Tags opened and closed, every address that something could be fetched from, and all texts and attributes."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.addresses, self.seen, self.texts = list[str](), list[str](), list[str](), list[str]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.texts += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_report_is_one_whole_page(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And needs nothing else."""
    out = tmp_path / "page.html"
    assert zeromass.main(["report", str(run.path), "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    text = out.read_text()
    page = _Page(text)
    assert page.open == []
    assert all(address.startswith(("#", "data:")) for address in page.addresses), page.addresses
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|import\(", text)
    assert page.seen.count("input") >= 1  # a game can be stepped through
    shown = "Losses|loss/value|Ladder|Sample games|learner.batch_size|50.0 %|colour is White"
    for words in shown.split("|"):
        assert words in text or words.lower() in text, words
    _, script, _ = re.split("</?script>", text)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; img-src data:"
    assert policy in page.texts


def test_hostile_values_are_text_in_the_report(tmp_path: Path) -> None:
    evil = [f"""{place}"'><zz onzz=1>{{{{ 7 * 7 }}}}&lt;""" for place in range(11)]
    folder = fake_run(tmp_path / evil[0], {"step": 1, f"evaluation/conversion/{evil[1]}": 0.5, "loss/value": math.inf})
    (folder / "settings.yaml").write_text(json.dumps({"run": {"folder": evil[2], "steps": 1}}))
    match = dict(zip(("when", "opponent", "wins", "draws", "losses"), evil[3:8], strict=True))
    append_row(
        folder / "matches.jsonl", {"step": 1, "score": 0.5, "elo": None, "elo_low": 0, "elo_high": None, **match}
    )
    table = Standings("", "", [standing(evil[8], 0, 0, 0, None)], [])
    Results(folder / "ladder.json").write(table.to_json())
    game = chess.pgn.Game({"White": evil[9], "Termination": evil[10], "Result": "1-0"})
    game.add_variation(chess.Move.from_uci("e2e4"))
    (folder / "games").mkdir()
    (folder / "games" / "game-1.pgn").write_text(str(game))
    text = report_page(RunFolder(folder))
    page = _Page(text)
    assert (page.open, "zz" in page.seen) == ([], False)
    assert [value for value in evil if not any(value in shown for shown in page.texts)] == []
    assert "Infinity" not in text  # which no browser reads as JSON


def test_a_report_that_cannot_be_written_is_one_sentence(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert zeromass.main(["report", str(run.path), "--out", "/nowhere/at/all.html"]) == 2
    assert "zeromass: '/nowhere/at/all.html' cannot be written" in capsys.readouterr().err


def test_monitor_lists_the_newest_runs_with_their_verdicts(tmp_path: Path) -> None:
    assert runs_found(tmp_path)[0].startswith("no runs in")
    for number in range(SHOWN + 2):
        fake_run(tmp_path / f"run-{number:02}", *sick_rows())
    lines = runs_found(tmp_path)
    assert len(lines) == SHOWN + 1
    assert all("step 9; SICK: stale actors" in line for line in lines[:-1])
    assert lines[-1] == "and 2 older ones"
    assert runs_found(tmp_path / "run-03")[0].startswith("run-03: step 9")


def test_every_curve_has_a_name_that_ray_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    monkeypatch.setattr(Gauge, "set", lambda self, value, tags: shown.update({self.info["name"]: (value, tags)}))
    monkeypatch.setattr(metrics_module, "on_cluster", lambda: True)
    metrics = Metrics(RunFolder(fake_run(tmp_path / "it")), None)
    row = {name.replace("*", "0"): 1.5 for name, tag in TAGS.items() if tag.kind == "scalar"}
    metrics.write(1, row)
    metrics.write(2, row)
    single = [name for name, tag in TAGS.items() if tag.kind == "scalar" and "*" not in name]
    assert (len(shown), shown["zeromass_loss_total"]) == (len(single), (1.5, {"run": "it"}))
