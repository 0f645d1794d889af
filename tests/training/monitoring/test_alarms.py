"""The guard in real short runs: an alarm is shown, logged, summed up, and kept by a resumed run."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.monitoring.short_run import OVERRIDES, events_of
from tests.training.runs import log_of
from training.durability.run_folder import RunFolder
from training.monitoring import guard
from training.monitoring.display import Display
from training.monitoring.tags.tags import number
from training.run import Resume, Summary, run_training
from training.settings import load_settings

ONE_WATCH = [
    # Only the one watch may speak: games of 40 plies between networks that know nothing are hardly ever won.
    *(f"guard.{name}=0" for name in ("mate_rate_ahead", "value_spread", "entropy", "unique_openings")),
    "guard.value_gain=-100",
    "guard.truncated=1",
    "guard.decisive=1",
]


def train(folder: Path, steps: int, resume: Resume) -> tuple[Summary, str]:
    """A run to its end; its summary, and what people saw."""
    own = "log.steps=1", f"run.folder={folder}", f"run.steps={steps}"
    settings, text = load_settings(None, [*OVERRIDES.split(), *ONE_WATCH, *own]), io.StringIO()
    run = RunFolder.create(settings, None) if resume == "no" else RunFolder(folder / "it")
    display = Display(Console(file=text, width=250))
    return run_training(settings, run, resume=resume, display=display, stop=lambda: False), text.getvalue()


def test_an_alarm_is_seen_everywhere_and_outlasts_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WINDOW_GAMES", 24), ("LEAST_GAMES", 8), ("GRACE_GAMES", 0)):
        monkeypatch.setattr(guard, name, value)
    summary, shown = train(tmp_path, 10, "no")
    folder = RunFolder(tmp_path / "it")
    first = next(row for row in log_of(folder.path) if row["guard/alarm"])
    step = first["step"]
    assert [first[f"guard/{name}"] for name in ("alarm", "alarm/decisive", "alarm/entropy")] == [1, 1, 0]
    share = number(100 * first["guard/decisive"])
    said = f"alarm decisive: guard/decisive is {share} % (healthy: 100 % or more): collapse; "
    assert f"guard, step {step}: {said}" in shown
    assert "selfplay.temperature or learner.entropy_bonus" in shown
    assert next(event.step for event in events_of(folder).Scalars("guard/alarm") if event.value) == step
    assert summary.alarms == ["decisive"]
    (news,) = json.loads((tmp_path / "it" / "summary.json").read_text())["guard"]
    assert news["step"] == step
    assert news["text"].startswith(said)
    later, shown = train(tmp_path, 14, "asked")
    assert (later.alarms, later.guard) == (["decisive"], summary.guard)
    assert "alarm decisive" not in shown
