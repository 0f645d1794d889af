"""One process trains a run at a time: a lock in the run folder that the system releases when its holder dies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.compilation import locked
from agent.errors import InputError

PATIENCE: Final = 60.0
"""Seconds that a process waits for an earlier one that may just have been killed."""


@contextmanager
def run_locked(folder: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of the run in `folder`.

    Raises:
        InputError: another process still holds it after `patience` seconds.
    """
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(folder / ".lock"):
            held.set()
            over.wait()

    holder = threading.Thread(target=hold, name="run lock", daemon=True)  # the lock itself has no timeout
    holder.start()
    try:
        if not held.wait(patience):
            raise InputError(f"run '{folder}' is being trained by another process; stop that one first")
        yield
    finally:
        over.set()
        if held.is_set():
            holder.join()
