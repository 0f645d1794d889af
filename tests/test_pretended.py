"""Placement of tensors, without a GPU: tests that touch a device run again on a pretended one."""

import pytest

from tests.processes import run_python

PARTS = (
    "tests/on_pretended.py tests/agent/networks/test_graphs.py tests/agent/networks/test_residual.py "
    "tests/agent/networks/test_meter.py tests/agent/networks/test_policy.py",
    "tests/agent/networks/test_kinds.py tests/agent/networks/test_weights.py tests/agent/players/test_player.py "
    "tests/selfplay/test_generator.py tests/training/test_losses.py tests/training/test_preflight.py",
    "tests/training/evaluation/test_audit.py tests/training/evaluation/test_match.py tests/kernels/test_benchmark.py "
    # Whole games pass through the interpreter there, minutes of them; test_generator.py plays shorter ones.
    "--deselect=tests/training/evaluation/test_audit.py::test_the_command_prints_the_keys_that_scripts_rely_on",
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("files", PARTS, ids=["networks", "players", "matches"])
def test_tests_that_touch_a_device_pass_on_a_pretended_one(files: str) -> None:
    plugins = ("-p", "tests.pretended", "-p", "no:xdist", "-p", "no:cacheprovider")
    words = ("-m", "pytest", "-q", *plugins, "-m", "not slow and not hours", *files.split())
    done = run_python(*words, seconds=3500, TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
