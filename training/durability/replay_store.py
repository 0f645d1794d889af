"""Games on disk: appended to bounded segment files, acknowledged once they are durable, read again by a resumed run.
Lifecycle: `append` keeps a game in memory; `sync` writes all waiting games with one fsync, and then they are
acknowledged: no crash loses them. `prune` deletes segments that no checkpoint needs. A new object never writes into
segments of an earlier one, so an entry torn by a crash stays where it is; `read` reports and skips it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.files import fsync_folder, write_atomic
from training.durability.game_file import Damage, StoredGame, read_entries, to_entry

SEGMENT_BYTES: Final = 8 * 2**20  # a segment that has reached this size is closed


class ReplayStore:
    """See the module. Not thread-safe. The folder is made if it is missing."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.acknowledged = 0  # games made durable by this object
        self._folder, self._segment_bytes = folder, segment_bytes
        self._waiting: list[bytes] = []
        self._last: dict[Path, int] = {}  # number of the last game of each segment that was read or written
        self._current: Path | None = None
        self._size = self._newest = 0

    @property
    def waiting(self) -> int:
        """Games that are not durable yet."""
        return len(self._waiting)

    def append(self, game: StoredGame) -> None:
        """Take a game, to be written by the next `sync`."""
        self._waiting.append(to_entry(game))
        self._newest = max(self._newest, game.number)

    def sync(self) -> int:
        """Make all waiting games durable; returns how many. After an OSError they still wait for a later call."""
        if not self._waiting:
            return 0
        segment = self._open()
        data = b"".join(self._waiting)
        with segment.open("r+b") as file:
            try:
                file.seek(self._size)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._size)  # no half entry before the next one
                raise
        self._size += len(data)
        self._last[segment] = self._newest
        written, self._waiting = len(self._waiting), []
        self.acknowledged += written
        if self._size >= self._segment_bytes:
            self._current = None
        return written

    def read(self, first: int) -> Iterator[StoredGame | str]:
        """Durable games from number `first` on, in order, and a sentence for each piece of damage."""
        for segment in self.segments():
            if self._last.get(segment, first) < first:
                continue
            try:
                data = segment.read_bytes()
            except OSError as error:
                yield f"segment '{segment}' cannot be read ({error.strerror}); its games are skipped"
                continue
            self._last.setdefault(segment, -1)
            for found in read_entries(data):
                if isinstance(found, Damage):
                    yield f"segment '{segment}' is damaged at bytes {found.first} to {found.last}, which are skipped"
                    continue
                game = found[1]
                self._last[segment] = max(self._last[segment], game.number)
                if game.number >= first:
                    yield game

    def cut(self, number: int) -> None:
        """Drop durable games from `number` on, which a resumed run plays again; can be retried after an OSError."""
        for segment in self.segments():
            data = segment.read_bytes()
            kept = [found for found in read_entries(data) if not isinstance(found, Damage)]
            late = [place for place, game in kept if game.number >= number]
            if late:
                if late[0] == kept[0][0]:
                    segment.unlink()
                else:
                    write_atomic(segment, data[: late[0]])
                self._last.pop(segment, None)
        if self._folder.is_dir():
            fsync_folder(self._folder)

    def prune(self, first: int) -> None:
        """Delete segments whose games all come before number `first`, except the open one."""
        for segment, last in list(self._last.items()):
            if last < first and segment != self._current:
                segment.unlink(missing_ok=True)
                del self._last[segment]

    def segments(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._folder.glob(f"segment-{'[0-9]' * 8}.games"))

    def _open(self) -> Path:
        """The segment to write to: empty and durable by name if it is new."""
        if self._current is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            numbers = [int(path.stem.removeprefix("segment-")) for path in self.segments()]
            segment = self._folder / f"segment-{max(numbers, default=0) + 1:08d}.games"
            segment.touch()
            fsync_folder(self._folder)
            self._current, self._size = segment, 0
        return self._current
