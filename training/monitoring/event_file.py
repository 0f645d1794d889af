"""One process's event file for TensorBoard, without SummaryWriter's thread: after a write that failed that raises the
same error for ever, and nobody knows what it has written."""

import io
import os
import socket
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """A new file in `folder`. TensorBoard reads files in the order of their names, so this one's comes last, whatever
    the clock says, and drops what earlier ones have from step `purge` on."""

    def __init__(self, folder: Path, purge: int) -> None:
        earlier = folder.glob(f"events.out.tfevents.{'[0-9]' * 10}.*")
        stamp = max([int(time.time()), *(int(path.name.split(".")[3]) + 1 for path in earlier)])
        self._path = folder / f"events.out.tfevents.{stamp:010d}.{socket.gethostname()}.{os.getpid()}.0"
        self._waiting, self._size = io.BytesIO(), 0  # not written yet; bytes written
        self.add(file_version="brain.Event:2")
        self.add(purge, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int = 0, **content: Any) -> None:
        """An event, to be written by the next `flush`."""
        RecordWriter(self._waiting).write(Event(wall_time=time.time(), step=step, **content).SerializeToString())

    def flush(self) -> None:
        """Hand everything to the operating system; after an OSError it still waits for a later call."""
        self._path.parent.mkdir(exist_ok=True)
        with self._path.open("ab") as file:
            file.truncate(self._size)  # no half event before the next one
            file.write(self._waiting.getvalue())
        self._size, self._waiting = self._size + self._waiting.tell(), io.BytesIO()
