"""Games on disk: whole or named as damaged, durable when acknowledged, bounded."""

import dataclasses
import errno
import hashlib
import os
import struct
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.records import record, searched
from training.durability.replay_store import Damage, ReplayStore, StoredGame, read_entries, to_entry
from training.targets import targets


def stored(number: int, plies: int = 12) -> StoredGame:
    game = (searched if number % 2 else record)(plies, seed=number)
    return StoredGame(number, number % 3, game, targets(game, adjudication=0.25, gae_lambda=0.9, value_lambda=0.8))


def same(one: object, two: object) -> bool:
    """Equal in every field, arrays in values, shape and dtype."""
    if dataclasses.is_dataclass(one):
        return type(one) is type(two) and all(
            same(getattr(one, field.name), getattr(two, field.name)) for field in dataclasses.fields(one)
        )
    if isinstance(one, np.ndarray):
        return isinstance(two, np.ndarray) and one.dtype == two.dtype and np.array_equal(one, two)
    return one == two and type(one) is type(two)


def fill(folder: Path, numbers: range, segment_bytes: int = 10**9) -> ReplayStore:
    store = ReplayStore(folder, segment_bytes=segment_bytes)
    for number in numbers:
        store.append(stored(number))
        store.sync()
    return store


def read(folder: Path, first: int = 0) -> tuple[list[int], list[str]]:
    found = list(ReplayStore(folder).read(first))
    return [game.number for game in found if isinstance(game, StoredGame)], [x for x in found if isinstance(x, str)]


def test_games_come_back_in_every_field() -> None:
    games = [stored(number) for number in range(6)]
    data = b"".join(to_entry(game) for game in games)
    found = list(read_entries(data))
    assert all(not isinstance(one, Damage) and same(one[1], game) for one, game in zip(found, games, strict=True))


def test_a_flip_of_any_bit_and_any_tear_cost_one_game_and_are_named() -> None:
    entries = [to_entry(stored(number)) for number in range(3)]
    data = b"".join(entries)
    first, last = len(entries[0]), len(entries[0]) + len(entries[1])
    generator = np.random.default_rng(0)
    places = [first, first + 5, first + 10, last - 1, *generator.integers(first, last, 60).tolist()]
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 1 << int(generator.integers(8))
        found = list(read_entries(bytes(broken)))
        assert [one[1].number for one in found if not isinstance(one, Damage)] == [0, 2]
        assert [one for one in found if isinstance(one, Damage)] == [Damage(first, last)]
    for end in (first + 1, first + 30, last - 1):
        whole, *rest = read_entries(data[:end])
        assert not isinstance(whole, Damage)
        assert (whole[1].number, rest) == (0, [Damage(first, end)])


FORGED: list[tuple[str, Any, Any]] = [
    ("record.start", 1, 2**64 - 1),  # pieces on one square
    ("record.positions", (3, 1), 2**64 - 1),
    ("record.moves", 4, 65535),
    ("record.policies.indices", 0, 65535),
    ("record.policies.offsets", -1, 10**6),
    ("record.values", 0, np.nan),
    ("targets.wdl", (0, 0), np.inf),
    ("record.moves", None, np.zeros(12, np.int64)),
    ("record.moves", None, np.zeros(0, np.uint16)),
    ("record.balance", None, "1"),
    ("number", None, -1),
]


@pytest.mark.parametrize(("name", "at", "value"), FORGED)
def test_a_forged_game_with_a_valid_checksum_is_damage(name: str, at: Any, value: Any) -> None:
    """Compiled code, which checks no bounds, gets what is read."""
    game = stored(3)
    part, _, field = name.rpartition(".")
    owner = attrgetter(part)(game) if part else game
    if at is None:
        object.__setattr__(owner, field, value)
    else:
        getattr(owner, field)[at] = value
    entries = [to_entry(stored(1)), to_entry(game), to_entry(stored(5))]
    first, wrong, last = read_entries(b"".join(entries))
    assert wrong == Damage(len(entries[0]), len(entries[0]) + len(entries[1]))
    assert not any(isinstance(one, Damage) for one in (first, last))


def test_a_missing_field_and_a_foreign_payload_are_damage() -> None:
    payload = to_entry(stored(1))[24:]
    for forged in (payload.replace(b"record.seed", b"record.sead"), b"", b"\xff" * 9, b"\0\0\0\0"):
        header = struct.pack("<4sI16s", b"ZMg1", len(forged), hashlib.blake2b(forged, digest_size=16).digest())
        assert list(read_entries(header + forged)) == [Damage(0, 24 + len(forged))]


def test_what_is_synced_is_there_for_another_process_and_what_waits_is_not(tmp_path: Path) -> None:
    store = fill(tmp_path, range(5))
    store.append(stored(5))
    assert (len(store.waiting), read(tmp_path)) == (1, ([0, 1, 2, 3, 4], []))
    for _ in range(2):
        store.sync()
        assert read(tmp_path, first=3) == ([3, 4, 5], [])


def test_a_new_store_never_touches_what_an_old_one_wrote(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    (segment,) = ReplayStore(tmp_path).segments()
    torn = segment.read_bytes()[:-7]
    segment.write_bytes(torn)
    fill(tmp_path, range(3, 5))
    assert segment.read_bytes() == torn
    numbers, damage = read(tmp_path)
    assert (numbers, len(damage)) == ([0, 1, 3, 4], 1)
    assert f"segment '{segment}' is damaged at bytes" in damage[0]


def test_old_segments_go_when_no_window_needs_them(tmp_path: Path) -> None:
    store = fill(tmp_path, range(20), segment_bytes=2 * len(to_entry(stored(1))))
    before = len(store.segments())
    assert before > 5
    store.prune(first=10)
    numbers, _ = read(tmp_path)
    assert numbers[0] in (8, 9, 10)
    assert numbers == list(range(numbers[0], 20))
    assert len(store.segments()) < before
    store.prune(first=1000)
    assert len(store.segments()) <= 1


def test_games_to_be_played_again_are_cut(tmp_path: Path) -> None:
    fill(tmp_path, range(10), segment_bytes=3 * len(to_entry(stored(1))))
    ReplayStore(tmp_path).cut(5)
    assert read(tmp_path) == ([0, 1, 2, 3, 4], [])
    ReplayStore(tmp_path).cut(0)
    assert read(tmp_path) == ([], [])


def test_a_full_disk_loses_nothing_and_leaves_no_half_game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(tmp_path, range(2))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store.append(stored(2))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.sync()
    assert (len(store.waiting), read(tmp_path)) == (1, ([0, 1], []))
    store.append(stored(3))
    store.sync()
    assert read(tmp_path) == ([0, 1, 2, 3], [])
