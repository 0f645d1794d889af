"""The loops' machine code is kept under a name that every source of theirs has a part in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kernels.on_numba import compilation


def test_an_edit_of_any_source_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba alone looks at the caller's file: an edit of `rows.py` would run stale loops."""
    sources = tmp_path / "on_numba"
    shutil.copytree(Path(compilation.__file__).parent, sources, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compilation, "__file__", str(sources / "compilation.py"))
    find = compilation._folder.__wrapped__
    before = find()
    assert before.parent == tmp_path / "cache" / "zeromass"
    assert find() == before
    for name in ("rows.py", "machine.py", "softmax.py"):
        with (sources / name).open("a") as file:
            file.write("# edited\n")
        assert find() != before
        before = find()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    assert compilation._folder.__wrapped__().is_dir()
