"""The trainer dies, hangs, fails or is refused; the driver starts another one, or says why not."""

import json
import os
import signal
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.processes import descendants, start_training
from tests.training.records import standing
from tests.training.runs import log_of
from tests.training.test_run import TINY, finish, wait_for
from training.durability.checkpoint import list_checkpoints, newest_checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_trainer_that_is_killed_or_hangs_is_replaced_and_goes_on(tmp_path: Path, how: signal.Signals) -> None:
    run = tmp_path / "runs" / "it"
    beats = ["run.checkpoint_seconds=0.5", "run.heartbeat_seconds=10"]
    process = start_training("demo", *TINY, "run.steps=2000000", *beats, folder=tmp_path)
    wait_for(lambda: len(list_checkpoints(run / "checkpoints")) >= 2, process)
    (trainer,) = descendants("ray::Trainer", process.pid)
    os.kill(trainer, how)
    wait_for(lambda: (run / "faults.log").exists(), process)
    before = newest_checkpoint(run / "checkpoints")[1].state
    wait_for(lambda: newest_checkpoint(run / "checkpoints")[1].state["step"] > before["step"], process)
    process.terminate()
    output = finish(process)
    assert "starting another trainer from the newest checkpoint" in output
    assert f"resuming {Path('runs') / 'it'} from step-" in output
    after = newest_checkpoint(run / "checkpoints")[1].state
    assert after["counters"]["streams"] == before["counters"]["streams"] + 2
    assert [row["step"] for row in log_of(run)] == list(range(1, after["step"] + 1))


@pytest.mark.slow
def test_a_trainer_that_fails_again_and_again_is_given_up_with_a_sentence(tmp_path: Path) -> None:
    """A file of the run holds what no program wrote there, which no restart can fix."""
    code = "s.RESTART_DELAY, s.FRUITLESS = 0.0, 2\nsys.exit(zeromass.main(sys.argv[1:]))"
    code = f"import sys, training.durability.supervisor as s, zeromass\n{code}"
    process = start_training("demo", *TINY, folder=tmp_path, program=("-c", code))
    run = tmp_path / "runs" / "it"
    wait_for(lambda: (run / "checkpoints").exists(), process)
    row = asdict(standing("a", 0, 0, 0, None)) | {"elo": "much"}
    (run / "ladder.json").write_text(json.dumps({"standings": [row]}))  # drawn at the end
    output = finish(process, 1)
    assert "the trainer ended 2 times without a new checkpoint, last because the trainer failed (" in output
    assert "then go on with --resume runs/it" in output
    assert "Traceback" not in output
