"""Games as bytes in a file: entries that are verified when read; damage is reported and skipped. No pickle. An entry is
a header (magic, length, BLAKE2b of what follows) and a payload: a JSON object of plain values, then safetensors of
arrays. A reader that meets a damaged entry looks for the next magic whose entry is whole."""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from agent.rules import Termination
from selfplay.record import GameRecord, RaggedPolicy
from training.targets import Targets

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
    place, bad = 0, -1
    while place < len(data):
        game, end = _read(data, place)
        if game is None:
            bad = place if bad < 0 else bad
            following = data.find(MAGIC, place + 1)
            place = len(data) if following < 0 else following
            continue
        if bad >= 0:
            yield Damage(bad, place)
            bad = -1
        yield place, game
        place = end
    if bad >= 0:
        yield Damage(bad, len(data))


def _read(data: bytes, place: int) -> tuple[StoredGame | None, int]:
    """The game at `place` and where it ends; None if there is no valid one."""
    if len(data) - place < _HEADER.size:
        return None, place
    magic, length, digest = _HEADER.unpack_from(data, place)
    start = place + _HEADER.size
    payload = data[start : start + length]
    if magic != MAGIC or len(payload) != length or hashlib.blake2b(payload, digest_size=16).digest() != digest:
        return None, place
    (size,) = _PLAIN_LENGTH.unpack_from(payload)
    head = _PLAIN_LENGTH.size
    values: dict[str, Any] = json.loads(payload[head : head + size])
    values |= safetensors.numpy.load(payload[head + size :])
    values["record.termination"] = Termination(values["record.termination"])
    values["record.policies"] = _part(RaggedPolicy, "record.policies", values)
    record, targets = _part(GameRecord, "record", values), _part(Targets, "targets", values)
    return StoredGame(values["number"], values["stream"], record, targets), start + length


def _part(kind: Any, prefix: str, values: dict[str, Any]) -> Any:
    """A dataclass from the values under its prefix; fields with a default may be missing."""
    names = [field.name for field in fields(kind) if f"{prefix}.{field.name}" in values or field.default is MISSING]
    return kind(**{name: values[f"{prefix}.{name}"] for name in names})
