"""The verdict on a run, from rows alone."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from training.monitoring.health import ENOUGH, RECENT_ROWS, judge, recent_values
from training.monitoring.rows import read_rows
from training.monitoring.tags.tags import COLLAPSE, LEAK, STALE, STARVED

SICK = Path(__file__).resolve().parents[2] / "data" / "sick"
GOOD: dict[str, Any] = {
    "policy/invalid_mass_max": 0.0,
    "policy/entropy": 2.0,
    "selfplay/decisive": 0.3,
    "system/version_lag": 2.0,
    "time/waiting": 0.4,
}


def rows(count: int, **changes: float) -> list[dict[str, Any]]:
    """`count` rows two seconds apart; `changes` name tags with `__` for `/`."""
    changed = {name.replace("__", "/"): value for name, value in changes.items()}
    return [{"step": 10 * at, "time": 1000.0 + 2 * at, **GOOD, **changed} for at in range(1, count + 1)]


@pytest.mark.parametrize("cause", [COLLAPSE, STARVED, STALE])
def test_a_run_made_sick_on_purpose_gets_its_own_cause(cause: str) -> None:
    """Rows of real runs, see docs/sick.py."""
    found = read_rows(SICK / f"{cause.replace(' ', '-')}.jsonl")
    assert len(found) >= ENOUGH
    health = judge(found)
    assert health.causes[0] == cause
    assert not {COLLAPSE, STARVED, STALE} - {cause} & set(health.causes)
    assert health.verdict.startswith(f"SICK: {cause}: ")
    assert all(finding.tag.advice for finding in health.findings)


def test_a_healthy_run() -> None:
    health = judge(rows(50))
    assert health.findings == ()
    assert health.verdict.startswith("HEALTHY")


@pytest.mark.parametrize(
    ("tag", "value", "cause"),
    [
        ("selfplay__decisive", 0.0, COLLAPSE),
        ("policy__entropy", 0.01, COLLAPSE),
        ("time__waiting", 0.99, STARVED),
        ("system__version_lag", 100.0, STALE),
        ("policy__invalid_mass_max", 1e-9, LEAK),
        ("policy__entropy", math.nan, COLLAPSE),
    ],
)
def test_one_figure_outside_its_range_names_its_cause(tag: str, value: float, cause: str) -> None:
    health = judge(rows(10, **{tag: value}))
    assert health.causes == [cause]
    assert tag.replace("__", "/") in health.verdict


def test_a_few_rows_are_too_early_for_anything_but_a_leak() -> None:
    assert judge([]).verdict.startswith("TOO EARLY")
    assert judge(rows(ENOUGH - 1, selfplay__decisive=0.0)).findings == ()
    assert judge(rows(1, policy__invalid_mass_max=1e-9)).causes == [LEAK]


def test_one_odd_row_is_no_sickness_but_one_leak_is() -> None:
    odd = rows(20)
    odd[7] |= {"system/version_lag": 500.0, "time/waiting": 1.0, "selfplay/decisive": 0.0}
    assert judge(odd).findings == ()
    odd[7]["policy/invalid_mass_max"] = 1e-12
    assert judge(odd).causes == [LEAK]


def test_what_ruins_a_run_is_named_before_what_slows_it() -> None:
    health = judge(rows(10, time__waiting=0.99, system__version_lag=99.0, selfplay__decisive=0.0))
    assert health.causes == [COLLAPSE, STALE, STARVED]


def test_only_the_recent_rows_count() -> None:
    assert judge(rows(100, selfplay__decisive=0.0)[:50] + rows(100)[50:]).findings == ()
    assert judge(rows(100)[:50] + rows(100, selfplay__decisive=0.0)[50:]).causes == [COLLAPSE]
    # With a row a minute there are still so many rows that one does not decide.
    slow = [{**row, "time": 60.0 * row["step"]} for row in rows(100)]
    slow[-1] |= {"time/waiting": 1.0}
    assert judge(slow).findings == ()
    assert recent_values(slow)["time/waiting"] == 0.4
    assert RECENT_ROWS > 2


def test_games_are_averaged_for_most_rows_have_no_decisive_one() -> None:
    mixed = rows(20, selfplay__decisive=0.0)
    for row in mixed[::10]:
        row["selfplay/decisive"] = 0.5
    assert recent_values(mixed)["selfplay/decisive"] == pytest.approx(0.05)
    assert judge(mixed).findings == ()


def test_rows_of_another_version_are_passed_over() -> None:
    assert judge([{**row, "loss/of_the_future": 1.0, "note": "text"} for row in rows(10)]).findings == ()


def test_a_log_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert read_rows(log) == []
    lines = [json.dumps({"step": step, "time": 1.0}) for step in (1, 2)]
    log.write_text("\n".join([lines[0], "[1, 2]", "nonsense", lines[1], '{"step": 3, "ti']))
    assert [row["step"] for row in read_rows(log)] == [1, 2]
