"""The window comes back ply for ply, from segments and the few numbers of a checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.durability.test_replay_store import same
from tests.training.records import record, searched
from training.durability.replay_store import StoredGame
from training.durability.window import Window
from training.replay import ReplayBuffer
from training.targets import targets


def window(folder: Path, capacity: int = 60, entries_per_ply: int = 20) -> Window:
    return Window(ReplayBuffer(capacity, entries_per_ply=entries_per_ply), folder)


def play(window: Window, seeds: range, *, plies: int = 13, kind: Any = searched) -> None:
    for seed in seeds:
        game = kind(plies, seed=seed)
        window.add(game, targets(game, adjudication=0.3, gae_lambda=0.9, value_lambda=0.7), seed)
    window.store.sync()


def restored(folder: Path, state: dict[str, int], **sizes: int) -> Any:
    damage: list[str] = []
    twin = window(folder, **sizes)
    later = list(twin.restore(state, damage.append))
    return twin, later, damage


def same_draws(one: Window, two: Window) -> bool:
    return same(*(window.replay.sample(200, np.random.default_rng(3)) for window in (one, two)))


@pytest.mark.parametrize(("kind", "entries_per_ply"), [(searched, 30), (searched, 4), (record, 0)])
@pytest.mark.parametrize("games", [1, 3, 25])
def test_a_restored_window_continues_alike(tmp_path: Path, games: int, kind: Any, entries_per_ply: int) -> None:
    one = window(tmp_path, entries_per_ply=entries_per_ply)
    play(one, range(games), kind=kind)
    state = one.state()
    twin, later, damage = restored(tmp_path, state, entries_per_ply=entries_per_ply)
    assert (later, damage, twin.state()) == ([], [], state)
    assert (len(twin.replay), twin.replay.added) == (len(one.replay), one.replay.added)
    assert same_draws(twin, one)
    for both in (one, twin):
        play(both, range(games, games + 7), kind=kind)
    assert same_draws(twin, one)
    assert twin.state() == one.state()


def test_games_that_became_durable_after_the_checkpoint_follow_once(tmp_path: Path) -> None:
    one = window(tmp_path)
    play(one, range(5))
    state = one.state()
    play(one, range(5, 9))
    twin, later, _ = restored(tmp_path, state)
    assert [game.record.game for game in later] == [searched(13, seed=seed).game for seed in range(5, 9)]
    assert [game.stream for game in later] == [5, 6, 7, 8]
    assert same_draws(twin, one)
    play(twin, range(7, 11))  # of which two are here already
    assert twin.replay.games == 11
    ids = [game.record.game for game in twin.store.read(0) if isinstance(game, StoredGame)]
    assert len(ids) == len(set(ids)) == 11


def test_damage_is_named_and_costs_only_its_game(tmp_path: Path) -> None:
    one = window(tmp_path, capacity=1000)
    for seed in range(3):
        play(one, range(seed, seed + 1))
    (segment,) = one.store.segments()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 16
    segment.write_bytes(data)
    twin, _, damage = restored(tmp_path, one.state(), capacity=1000)
    assert len(damage) == 1
    plies = [np.count_nonzero(np.diff(searched(13, seed=seed).policies.offsets)) for seed in (0, 2)]
    assert len(twin.replay) == sum(plies)
    play(twin, range(3, 4))
    assert twin.replay.games == 4  # numbers are not given twice


def test_a_smaller_window_keeps_the_newest(tmp_path: Path) -> None:
    one = window(tmp_path, entries_per_ply=40)
    play(one, range(9))
    twin, _, _ = restored(tmp_path, one.state(), capacity=20, entries_per_ply=40)
    assert (len(twin.replay), twin.replay.added) == (20, one.replay.added)
