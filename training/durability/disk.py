"""A full disk pauses training with a warning; it goes on when there is room."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from training.attachment import Attachment

if TYPE_CHECKING:
    from training.loop import TrainingLoop

_T = TypeVar("_T")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
RESERVE_BYTES: Final = 64 * 2**20  # training pauses while the disk has less free space
LOOK_SECONDS: Final = 1.0  # between checks for room


class DiskPatience(Attachment):
    """Waits while the disk is full; `reserve` bytes must stay free."""

    def __init__(self, folder: Path, say: Callable[[str], None], *, reserve: int = RESERVE_BYTES) -> None:
        self.stop: Callable[[], bool] = lambda: False  # called during a pause; True ends it with the error
        self._loop: TrainingLoop | None = None
        self._folder, self._say, self._reserve = folder, say, reserve

    def begin(self, loop: "TrainingLoop") -> None:
        """See `Attachment`; pauses do not count as training."""
        self._loop, self.stop = loop, loop.stop

    def room(self) -> None:
        """Wait until there is room; an OSError where `stop` returned True first."""
        self.writing(self._check)

    def writing(self, write: Callable[[], _T]) -> _T:
        """What `write` returns, retried while the disk is full; an OSError of another kind, or after `stop` is True."""
        started: float | None = None
        while True:
            try:
                result = write()
            except OSError as error:
                if error.errno not in _FULL or self.stop():
                    raise
                if started is None:
                    started = time.monotonic()
                    full = f"the disk of '{self._folder}' is full ({error.strerror})"
                    self._say(f"warning: {full}; training pauses and goes on when there is room")
                time.sleep(LOOK_SECONDS)
                continue
            if started is not None:
                waited = time.monotonic() - started
                if self._loop is not None:
                    self._loop.paused += waited
                self._say(f"there is room on the disk again; training goes on after {waited:.0f} s")
            return result

    def _check(self) -> None:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if free < self._reserve:
            raise OSError(errno.ENOSPC, f"{free / 2**20:.1f} MB are free, {self._reserve / 2**20:.1f} are kept free")
