"""Checkpoints: whole or absent, verified, the newest valid one wins."""

import contextlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

from agent.errors import InputError
from training.durability.checkpoint import (
    MANIFEST,
    Checkpoint,
    first_needed,
    list_checkpoints,
    newest_checkpoint,
    write_checkpoint,
)


def make(step: int) -> Checkpoint:
    arrays, moves = {"a.exp_avg": np.arange(5, dtype=np.float32)}, np.arange(step, dtype=np.uint16)
    return Checkpoint(b"weights" * 100, arrays, {"step": step}, {"moves": moves})


def test_only_the_newest_are_kept_and_a_step_can_be_written_again(tmp_path: Path) -> None:
    for step in (1, 2, 10, 10):
        write_checkpoint(tmp_path, step, make(step), keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000010", "step-00000002"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["step-00000002", "step-00000010"]
    with pytest.raises(InputError, match=r"no valid checkpoint in .* it is empty or missing; start a new run"):
        newest_checkpoint(tmp_path / "nowhere")


def test_what_others_put_beside_checkpoints_is_neither_used_nor_touched(tmp_path: Path) -> None:
    others = ["step-best", "step-00000099.old", "step-9", "step-٠٠٠٠٠٠٠٩", "step-00000009 ", ".step-mine.tmp"]
    for name in others:
        write_checkpoint(tmp_path / "elsewhere", 2, make(2), keep=1).rename(tmp_path / name)
    for step in (1, 99_999_999, 100_000_000):
        write_checkpoint(tmp_path, step, make(step), keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-100000000", "step-99999999"]
    assert {(tmp_path / name).is_dir() for name in others} == {True}


def test_games_are_kept_for_the_oldest_checkpoint_that_can_be_read(tmp_path: Path) -> None:
    assert first_needed(tmp_path) == 0
    for step, first in ((1, 7), (2, 3), (3, 9)):
        write_checkpoint(tmp_path, step, Checkpoint(b"", {}, {"replay": {"first": first}}), keep=5)
    assert first_needed(tmp_path) == 3
    (tmp_path / "step-00000002" / "state.json").write_text('{"replay": {"fi')
    assert first_needed(tmp_path) == 7


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "player.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_one_is_named_and_skipped(tmp_path: Path, name: str, damage: str) -> None:
    write_checkpoint(tmp_path, 1, make(1), keep=5)
    file = write_checkpoint(tmp_path, 2, make(2), keep=5) / name
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-3] ^= 1
        file.write_bytes(data)
    elif damage == "truncate":
        file.write_bytes(data[:-1])
    else:
        file.unlink()
    path, checkpoint, damaged = newest_checkpoint(tmp_path)
    assert (path.name, checkpoint.state) == ("step-00000001", {"step": 1})
    assert len(damaged) == 1
    assert re.search(f"step-00000002' is damaged.*{name}", damaged[0])
    (file.parent / "manifest.json").write_text("{")
    assert newest_checkpoint(tmp_path)[0].name == "step-00000001"


@pytest.mark.parametrize("fails_at", range(8))
def test_a_crash_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    """Every fsync is a place where the disk may turn out to be full."""
    write_checkpoint(tmp_path, 1, make(1), keep=1)
    calls = iter(range(100))
    real = os.fsync

    def full(descriptor: int) -> None:
        if next(calls) == fails_at:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    # 5 files, the folder beside, the folder above
    with pytest.raises(OSError, match="No space") if fails_at < 7 else contextlib.nullcontext():
        write_checkpoint(tmp_path, 2, make(2), keep=1)
    monkeypatch.undo()
    found, _, damaged = newest_checkpoint(tmp_path)
    assert (damaged, found.name) == ([], "step-00000001" if fails_at < 6 else "step-00000002")
    assert [file for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    assert MANIFEST in {file.name for file in found.iterdir()}
