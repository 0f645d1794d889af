"""The verdict on a run, from rows alone."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from training.durability.run_folder import read_rows
from training.monitoring.health import ENOUGH, RECENT_ROWS, judge, recent_values
from training.monitoring.tags.tags import BLIND, COLLAPSE, LEAK, STALE, STARVED, UNSTABLE, Cause

SICK = Path(__file__).resolve().parents[2] / "data" / "sick"
GOOD: dict[str, Any] = {"policy/invalid_mass_max": 0.0, "policy/clipped": 0.1, "guard/decisive": 0.3}
GOOD |= {"guard/alarm/decisive": 0.0, "system/version_lag": 2.0, "time/waiting": 0.4}


def rows(count: int, **changes: float) -> list[dict[str, Any]]:
    """`count` rows two seconds apart; `changes` name tags with `__` for `/`."""
    changed = {name.replace("__", "/"): value for name, value in changes.items()}
    if "guard/decisive" in changed:  # as the guard does
        changed["guard/alarm/decisive"] = float(changed["guard/decisive"] < 0.02)
    return [{"step": 10 * at, "time": 1000.0 + 2 * at, **GOOD, **changed} for at in range(1, count + 1)]


@pytest.mark.parametrize("cause", [COLLAPSE, STARVED, STALE])
def test_a_run_made_sick_on_purpose_gets_its_own_cause(cause: Cause) -> None:
    """Rows of real runs, see docs/watching.md."""
    found = read_rows(SICK / f"{cause.name.replace(' ', '-')}.jsonl")
    assert len(found) >= ENOUGH
    health = judge(found)
    assert health.causes[0] == cause.name
    assert not {other.name for other in (COLLAPSE, STARVED, STALE) if other != cause} & set(health.causes)
    assert health.verdict.startswith(f"SICK: {cause.name}: ")
    assert all(finding.cause.advice for finding in health.findings)


@pytest.mark.parametrize(
    ("tag", "value", "cause"),
    [
        ("guard__decisive", 0.0, COLLAPSE),
        ("policy__clipped", 0.9, UNSTABLE),
        ("time__waiting", 0.99, STARVED),
        ("system__version_lag", 100.0, STALE),
        ("policy__invalid_mass_max", 1e-9, LEAK),
        ("value__calibration_error", math.nan, BLIND),
    ],
)
def test_one_figure_outside_its_range_names_its_cause(tag: str, value: float, cause: Cause) -> None:
    health = judge(rows(10, **{tag: value}))
    assert health.causes == [cause.name]
    assert tag.replace("__", "/") in health.verdict


def test_a_few_rows_are_too_early_for_anything_but_a_leak() -> None:
    assert judge(rows(50)).findings == ()
    assert judge(rows(50)).verdict.startswith("HEALTHY")
    assert judge([]).verdict.startswith("TOO EARLY")
    assert judge(rows(ENOUGH - 1, guard__decisive=0.0)).findings == ()
    assert judge(rows(1, policy__invalid_mass_max=1e-9)).causes == [LEAK.name]
    # One odd row is no sickness, but one leak is.
    odd = rows(20)
    odd[7] |= {"system/version_lag": 500.0, "time/waiting": 1.0, "policy/clipped": 1.0}
    assert judge(odd).findings == ()
    odd[7]["policy/invalid_mass_max"] = 1e-12
    assert judge(odd).causes == [LEAK.name]
    # What ruins a run is named before what slows it.
    several = judge(rows(10, time__waiting=0.99, system__version_lag=99.0, guard__decisive=0.0))
    assert several.causes == [COLLAPSE.name, STALE.name, STARVED.name]


def test_only_the_recent_rows_count() -> None:
    assert judge(rows(100, guard__decisive=0.0)[:50] + rows(100)[50:]).findings == ()
    assert judge(rows(100)[:50] + rows(100, guard__decisive=0.0)[50:]).causes == [COLLAPSE.name]
    # With a row a minute there are still so many rows that one does not decide.
    slow = [{**row, "time": 60.0 * row["step"]} for row in rows(100)]
    slow[-1] |= {"time/waiting": 1.0}
    assert (judge(slow).findings, recent_values(slow)["time/waiting"]) == ((), 0.4)
    assert RECENT_ROWS > 2


def test_the_guards_figure_counts_while_its_alarm_is_on() -> None:
    """Whatever the figure: the guard has judged it, with the margin within which an alarm stays on."""
    mixed = rows(20, guard__decisive=0.021)
    assert judge(mixed).findings == ()
    mixed = [{**row, "guard/alarm/decisive": 1.0} for row in mixed]
    assert judge(mixed).verdict == "SICK: collapse: guard/decisive is 2.1 % (an alarm of the guard)"
    mixed[-1] |= {"guard/alarm/decisive": 0.0, "guard/decisive": 0.5}
    assert (judge(mixed).findings, recent_values(mixed)["guard/decisive"]) == ((), 0.5)


def test_a_log_of_another_version_or_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    assert judge([{**row, "loss/of_the_future": 1.0, "note": "text"} for row in rows(10)]).findings == ()
    log = tmp_path / "log.jsonl"
    assert read_rows(log) == []
    lines = [json.dumps({"step": step, "time": 1.0}) for step in (1, 2)]
    log.write_text("\n".join([lines[0], "[1, 2]", "nonsense", lines[1], '{"step": 3, "ti']))
    assert [row["step"] for row in read_rows(log)] == [1, 2]
