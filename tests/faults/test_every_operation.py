"""Each file operation of a run fails once, in every way, and nothing is lost: see `sweep.py`."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import run_python


@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize(
    ("first", "sampled"),  # 0: each operation in every way
    [pytest.param(100, 10, marks=pytest.mark.slow), pytest.param(0, 0, marks=pytest.mark.hours)],
)
def test_a_run_that_met_a_fault_ends_as_if_it_had_not(tmp_path: Path, first: int, sampled: int) -> None:
    if (compiler := shutil.which("gcc")) is None:
        pytest.skip("there is no gcc to compile shim.c with")
    shim, library = Path(__file__).with_name("shim.c"), str(tmp_path / "shim.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, str(shim), "-ldl"], check=True)
    words = "-m", "tests.faults.sweep", str(tmp_path / "runs"), str(first), str(sampled)
    ended = run_python(*words, seconds=6 * 3600, LD_PRELOAD=library, OMP_NUM_THREADS="1")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    print(found["totals"])
    assert found["wrong"] == []
    assert min(found["totals"][how] for how in ("went on", "refused", "killed")) > 10
