"""Files that are either whole or absent: written beside, fsynced, renamed."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Literal

from agent.errors import InputError


def what_is(text: str | Path) -> Literal["file", "folder", ""]:
    """What `text` names: a file (also a device or a pipe), a folder, or nothing. Nothing also where it cannot be a
    path: a pasted game is too long for one, a text may hold a NUL byte."""
    try:
        mode = os.stat(text).st_mode  # noqa: PTH116 - Path("") is the folder "."
    except (OSError, ValueError):
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file"


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (POSIX: a rename is not, until its folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durable(path: Path, data: bytes) -> None:
    """Write `data` to `path` and wait until the disk has it; `path` itself may be left torn by a crash."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: after a crash at any moment it holds the old bytes or the new ones. An OSError where
    the folder is missing or the disk is full; the old file is untouched."""
    beside = _beside(path)
    try:
        write_durable(beside, data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    fsync_folder(path.parent)


def typed_path(text: str | Path) -> Path:
    """A path as people type it: `~` is their home, where there is one."""
    with contextlib.suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)


def check_output(path: Path) -> None:
    """Before the work whose result `save` is to write to `path`; it refuses the same places."""
    save(path, None)


def save(path: Path, data: bytes | None) -> None:
    """Write `data` where the user asked for it: through links; a pipe or device stays one. None: only see if it can be.
    An InputError where it cannot be written there."""
    try:
        if what_is(path) == "folder":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if what_is(path) == "file" and not path.is_file():  # a pipe or a device
            if data is not None:
                path.write_bytes(data)
        elif data is not None:
            write_atomic(path.resolve(), data)
        else:
            _beside(path.resolve()).touch()
            _beside(path.resolve()).unlink()
    except (OSError, ValueError, RuntimeError) as error:  # the last: links in a circle
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"'{path}' cannot be written ({reason}); name another place") from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
