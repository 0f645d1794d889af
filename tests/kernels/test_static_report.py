"""What the kernels compile to for chips that are not here: no spills, wide accesses.

The report runs in a process of its own, since this one interprets."""

import json
from typing import Any

import pytest

from benchmarks.kernels.static import TARGETS
from tests.processes import run_python


def report(*options: str) -> list[dict[str, Any]]:
    done = run_python("-m", "benchmarks.kernels.static", "--json", *options, seconds=900, TRITON_INTERPRET="0")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


SOFTMAX = "--kernel softmax --dtype bfloat16"  # forward and backward, of the softmax and of its logarithm
EVERY = [pytest.param(f"--size {size}", 18, marks=pytest.mark.slow) for size in (218, 1880, 32768)]


@pytest.mark.parametrize(("options", "least"), [(SOFTMAX, 4), *EVERY])
def test_kernels_compile_for_every_target_without_spills(options: str, least: int) -> None:
    rows = report(*options.split())
    assert {row["target"] for row in rows} == set(TARGETS)
    assert len({row["kernel"] for row in rows}) >= least
    for row in rows:
        most = 256 if row["target"] == "gfx1100" else 128  # its waves of 32 may have 256
        assert row["spill_bytes"] == 0, row
        assert 0 < row["registers"] <= most, row
        assert row["shared_bytes"] <= 16 * 1024, row
        if row["legal"] == "wide" and "softmax" in row["kernel"]:
            assert set(row["loads"]) <= {"32", "128"}, row
            assert set(row["stores"]) == widths_stored(row), row


# Forward and backward of 1,880 columns: 235 groups, 256 in a tile, 8 a warp. Softmax reads x and writes p; its backward
# reads g and p and writes dx. Besides, each group reads its word, in 32 bits.
@pytest.mark.parametrize(("dtype", "per_matrix"), [("float32", 2), ("bfloat16", 1)])
def test_dense_rows_move_by_128_bits_on_sm_90(dtype: str, per_matrix: int) -> None:
    rows = report("--kernel", "softmax", "--target", "sm_90", "--dtype", dtype)
    for row in rows:
        reads, moved = 2 if "backward" in row["kernel"] else 1, (row["loads"].get("128"), row["stores"].get("128"))
        assert (row["legal"], *moved) == ("wide", reads * per_matrix, per_matrix), row
        assert (set(row["loads"]), set(row["stores"])) == ({"32", "128"}, widths_stored(row)), row


def widths_stored(row: dict[str, Any]) -> set[str]:
    """Whole groups; and two numbers a row, where the logarithm's backward will start from them."""
    return {"32", "128"} if row["kernel"] == "softmax_kernel log" else {"128"}
