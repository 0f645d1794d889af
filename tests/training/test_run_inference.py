"""A whole run whose actors ask one inference actor."""

import json
from pathlib import Path

import pytest

from agent.errors import InputError
from tests.training.test_run import TINY, finish, start
from training.settings import load_settings


def test_a_run_with_an_inference_actor_trains_on_searched_games(tmp_path: Path) -> None:
    asked = ["inference.actor=true", "inference.batch_size=16", "inference.max_wait_ms=1", "inference.runtime=eager"]
    process = start(tmp_path, "demo", *TINY, *asked, "selfplay.simulations=4")
    output = finish(process)
    assert process.returncode == 0, output
    folder = tmp_path / "runs" / "it"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["steps"] == 12
    assert summary["games"] > 0
    assert summary["largest_invalid_mass"] == 0.0
    assert summary["distributions"] > 0
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert all(row["system/restarts"] == 0 for row in rows)
    lags = [row["system/version_lag"] for row in rows if "system/version_lag" in row]
    assert lags
    assert all(0 <= lag <= 6 for lag in lags)  # a version every second step: there are no more


def test_an_inference_actor_without_work_is_refused() -> None:
    for overrides, sentence in (
        (["selfplay.actors=0"], "set selfplay.actors to 1 or more"),
        (["network.kind=sparse", "selfplay.actors=1"], "has no use with network.kind=sparse"),
    ):
        with pytest.raises(InputError, match=sentence):
            load_settings("demo", ["network.kind=residual", "inference.actor=true", *overrides])
