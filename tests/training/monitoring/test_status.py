"""`zeromass status` and `monitor` on run folders, through the command line."""

import io
import json
import re
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

import zeromass
from tests.training.monitoring.short_run import short_run
from training.durability.run_folder import RunFolder, append_row, read_rows
from training.evaluation.match import MatchResult
from training.monitoring import status as status_module
from training.monitoring.display import Display
from training.monitoring.status import has_ended, sparkline
from training.monitoring.tensorboard import SHOWN, runs_found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return short_run(tmp_path_factory.mktemp("runs"), 12)


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
    assert "wait for a node" not in lines[1]


def test_actors_that_wait_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"step": 1, "time": time.time(), "system/workers_alive": 2.0, "system/workers_waiting": 3.0}
    zeromass.main(["status", str(fake_run(tmp_path / "it", row))])
    assert "3 game actors wait for a node with room" in capsys.readouterr().out.splitlines()[1]


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
    "content",
    [
        *(b"\xff\xfe", b"[" * 99_999, b'{"step": true}', b'{"step": 1, "time": "x"}'),
        b'{"step": 1, "loss/value": 1%s}' % (b"0" * 400),
        b'{"step": 1, "policy/entropy": Infinity}\n{"step": 2, "policy/entropy": NaN}',
        None,  # a folder
    ],
)
def test_a_damaged_log(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    """It costs no more than what is in it."""
    path = fake_run(tmp_path / "run") / "log.jsonl"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    assert zeromass.main(["status", str(path.parent)]) == (2 if content is None else 0)
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


def test_monitor_lists_the_newest_runs_with_their_verdicts(tmp_path: Path) -> None:
    assert runs_found(tmp_path)[0].startswith("no runs in")
    for number in range(SHOWN + 2):
        fake_run(tmp_path / f"run-{number:02}", *sick_rows())
    lines = runs_found(tmp_path)
    assert len(lines) == SHOWN + 1
    assert all("step 9; SICK: stale actors" in line for line in lines[:-1])
    assert lines[-1] == "and 2 older ones"
    assert runs_found(tmp_path / "run-03")[0].startswith("run-03: step 9")
