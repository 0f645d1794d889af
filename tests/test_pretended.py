"""Placement of tensors, without a GPU: tests that touch a device run again on a pretended one."""

import pytest

from tests.processes import run_python
from tests.tables import table

PARTS = [files for (files,) in table("pretended")]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("files", PARTS, ids=["networks", "players", "matches"])
def test_tests_that_touch_a_device_pass_on_a_pretended_one(files: str) -> None:
    plugins = ("-p", "tests.pretended", "-p", "no:xdist", "-p", "no:cacheprovider")
    words = ("-m", "pytest", "-q", *plugins, "-m", "not slow and not hours", *files.split())
    done = run_python(*words, seconds=3500, TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
