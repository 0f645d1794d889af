"""Files that are either whole or absent: written beside, fsynced, renamed."""

import os
from pathlib import Path

from agent.errors import InputError


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
    """Replace `path` by `data`: after a crash at any moment it holds the old bytes or the new ones.

    Raises:
        OSError: the folder is missing or the disk is full; the old file is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_durable(beside, data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    fsync_folder(path.parent)


def save(path: Path, data: bytes) -> None:
    """Write `data` where the user asked for it.

    Raises:
        InputError: it cannot be written there.
    """
    try:
        write_atomic(path, data)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written ({error.strerror}); name another place") from error
