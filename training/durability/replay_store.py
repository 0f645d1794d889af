"""Games on disk: appended to bounded segment files, acknowledged once they are durable, read again by a resumed run.
Lifecycle: `append` keeps a game in memory; `sync` writes all waiting games with one fsync, and then they are
acknowledged: no crash loses them. `prune` deletes segments that no checkpoint needs. A new object never writes into
segments of an earlier one, so an entry torn by a crash stays where it is; `read` reports and skips it.

An entry of a segment is a header (magic, length, BLAKE2b of what follows) and a payload: a JSON object of plain values,
then safetensors of arrays; no pickle. It is verified when read. A reader that meets a damaged entry looks for the next
magic whose entry is whole."""

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from agent.files import fsync_folder, write_atomic
from agent.rules import Termination
from selfplay.record import GameRecord, RaggedPolicy, check_array
from training.targets import Targets

SEGMENT_BYTES: Final = 8 * 2**20  # a segment that has reached this size is closed
MAGIC: Final = b"ZMg1"
_HEADER: Final = struct.Struct("<4sI16s")
_PLAIN_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True)
class StoredGame:
    """A game as it was added to the replay buffer."""

    number: int  # place in the order in which games were added, from 0
    stream: int  # of the generator that played it
    record: GameRecord
    targets: Targets  # as they were when the game came in: settings may change when a run resumes


@dataclass(frozen=True)
class Damage:
    """Bytes of a file that hold no whole entry."""

    first: int
    last: int  # one past the last


def to_entry(game: StoredGame) -> bytes:
    """One entry."""
    arrays: dict[str, NDArray[Any]] = {}
    plain: dict[str, Any] = {"number": game.number, "stream": game.stream}
    for prefix, part in (("record", game.record), ("record.policies", game.record.policies), ("targets", game.targets)):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"{prefix}.{field.name}"] = np.ascontiguousarray(value)
            elif not isinstance(value, RaggedPolicy):
                plain[f"{prefix}.{field.name}"] = int(value) if isinstance(value, IntEnum) else value
    head = json.dumps(plain).encode()
    payload = _PLAIN_LENGTH.pack(len(head)) + head + safetensors.numpy.save(arrays)
    return _HEADER.pack(MAGIC, len(payload), hashlib.blake2b(payload, digest_size=16).digest()) + payload


def read_entries(data: bytes) -> Iterator[tuple[int, StoredGame] | Damage]:
    """The entries of a file, in order: (offset, game), or the damage between games."""
    place = whole = 0  # where to look, and where the last whole entry ended
    while place < len(data):
        game, end = _read(data, place)
        if game is None:
            following = data.find(MAGIC, place + 1)
            place = len(data) if following < 0 else following
            continue
        if place > whole:
            yield Damage(whole, place)
        yield place, game
        place = whole = end
    if place > whole:
        yield Damage(whole, place)


def _read(data: bytes, place: int) -> tuple[StoredGame | None, int]:
    """The game at `place` and where it ends; None if there is no valid one."""
    if len(data) - place < _HEADER.size:
        return None, place
    magic, length, digest = _HEADER.unpack_from(data, place)
    start = place + _HEADER.size
    payload = data[start : start + length]
    if magic != MAGIC or len(payload) != length or hashlib.blake2b(payload, digest_size=16).digest() != digest:
        return None, place
    with contextlib.suppress(Exception):  # who wrote it may have made the checksum too
        return _game(payload), start + length
    return None, place


def _game(payload: bytes) -> StoredGame:
    (size,) = _PLAIN_LENGTH.unpack_from(payload)
    head = _PLAIN_LENGTH.size
    values: dict[str, Any] = json.loads(payload[head : head + size])
    values |= safetensors.numpy.load(payload[head + size :])
    values["record.termination"] = Termination(values["record.termination"])
    values["record.policies"] = _part(RaggedPolicy, "record.policies", values)
    record, targets = _part(GameRecord, "record", values), _part(Targets, "targets", values)
    record.check()
    check_array(targets.wdl, np.float32, record.plies, 3)
    check_array(targets.advantages, np.float32, record.plies)
    number, stream = (int(values[name]) for name in ("number", "stream"))
    if min(number, stream) < 0:
        raise ValueError("a number is negative")
    return StoredGame(number, stream, record, targets)


def _part(kind: Any, prefix: str, values: dict[str, Any]) -> Any:
    """A dataclass from the values under its prefix."""
    return kind(**{field.name: values[f"{prefix}.{field.name}"] for field in fields(kind)})


class ReplayStore:
    """See the module. Not thread-safe. The folder is made if it is missing."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.waiting: list[bytes] = []  # entries of the games that are not durable yet
        self._folder, self._segment_bytes = folder, segment_bytes
        self._last: dict[Path, int] = {}  # number of the last game of each segment that was read or written
        self._current: Path | None = None
        self._size = self._newest = 0

    def append(self, game: StoredGame) -> None:
        """Take a game, to be written by the next `sync`."""
        self.waiting.append(to_entry(game))
        self._newest = max(self._newest, game.number)

    def sync(self) -> None:
        """Make all waiting games durable. After an OSError they still wait for a later call."""
        if not self.waiting:
            return
        segment = self._open()
        data = b"".join(self.waiting)
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
        self.waiting = []
        if self._size >= self._segment_bytes:
            self._current = None

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
