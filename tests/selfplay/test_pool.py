"""The pool of Ray actors: bounded, fed with versions, healed, loud when a mask leaks, and all of one code."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from agent.errors import InputError
from agent.networks.meter import InvalidMassError
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from selfplay import pool as module
from selfplay.actor import GameActor, GameBatch, Weights
from selfplay.identity import PACKAGES, ROOT, check_identity, code_hash, identity
from selfplay.pool import IN_FLIGHT, LocalPool, RayPool
from selfplay.record import GameRecord
from selfplay.settings import ActorSettings, SelfplaySettings

pytestmark = pytest.mark.usefixtures("local_ray")
ARCHITECTURE = ResidualArchitecture(blocks=1, channels=8)
SELFPLAY = SelfplaySettings(actors=2, games=4, opening_plies=4, ply_cap=12, plies_per_call=6)
SETTINGS = ActorSettings(ARCHITECTURE, SELFPLAY, seed=0)


def network(seed: int = 0) -> ResidualNetwork:
    torch.manual_seed(seed)
    return ResidualNetwork(ARCHITECTURE)


def weights(seed: int = 0) -> Weights:
    return {name: tensor.numpy() for name, tensor in network(seed).state_dict().items()}


@pytest.fixture
def pool() -> Iterator[RayPool]:
    with closing(RayPool(SETTINGS, first_stream=10)) as pool:
        pool.publish(weights(), 0)
        yield pool


def process_of(actor: Any) -> int:
    return int(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())))


def gather(pool: RayPool, batches: int) -> list[GameBatch]:
    found: list[GameBatch] = []
    while len(found) < batches:  # the suite's own time limit ends this
        found += pool.collect(wait=True)
    return found


def until_streams(pool: RayPool, streams: set[int], batches: list[GameBatch]) -> list[GameBatch]:
    """Add what comes to `batches` until all `streams` have played; no game may come twice."""
    while not streams <= {batch.stream for batch in batches}:  # the suite's own time limit ends this
        batches += pool.collect(wait=True)
    names = [record.game for batch in batches for record in batch.records]
    assert len(names) == len(set(names)) > 0
    return batches


def test_games_come_from_both_actors_and_none_comes_twice(pool: RayPool) -> None:
    batches = until_streams(pool, {10, 11}, gather(pool, 16))
    assert {(batch.statistics.plies, batch.statistics.mass.largest) for batch in batches} == {(24, 0.0)}
    assert all(batch.launches for batch in batches)


def test_actors_play_what_plain_python_plays(pool: RayPool) -> None:
    local, batches = LocalPool(SETTINGS, first_stream=10), list[GameBatch]()
    local.publish(weights(), 0)
    while sum(batch.stream == 10 for batch in batches) < 4:  # the other actor may start first
        batches += pool.collect(wait=True)
    theirs = [record for batch in batches if batch.stream == 10 for record in batch.records]
    mine: list[GameRecord] = []
    while len(mine) < len(theirs):
        mine += [record for batch in local.collect(wait=True) for record in batch.records]
    for one, two in zip(mine, theirs, strict=False):
        assert one.game == two.game
        np.testing.assert_array_equal(one.moves, two.moves)
    assert theirs


def test_a_new_version_reaches_every_actor(pool: RayPool) -> None:
    gather(pool, 2)
    pool.publish(weights(1), 1)
    versions: dict[int, list[int]] = {10: [], 11: []}
    while not all(1 in seen for seen in versions.values()):  # the suite's own time limit ends this
        for batch in pool.collect(wait=True):
            versions[batch.stream].append(batch.version)
    # Calls that were under way finish with the old one; from then on it is the new one.
    assert all(seen == sorted(seen) and seen.count(0) <= IN_FLIGHT for seen in versions.values())


def test_an_uncollected_pool_stops_by_itself(pool: RayPool) -> None:
    """Back-pressure: when the games are not collected, each actor finishes its calls in flight and waits."""
    gather(pool, 2)
    deadline = time.monotonic() + 60
    while len(ray.wait(list(pool._calls), num_returns=2 * IN_FLIGHT, timeout=1)[0]) < 2 * IN_FLIGHT:
        assert time.monotonic() < deadline
    assert len(pool._calls) == 2 * IN_FLIGHT
    assert len(pool.collect(wait=False)) == 2 * IN_FLIGHT


def test_a_killed_actor_is_replaced_by_one_with_a_new_stream(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_DELAY", 0.0)
    batches = gather(pool, 4)
    ray.kill(pool._living()[0])
    until_streams(pool, {12}, batches)
    assert (pool.restarts, pool.actors, pool.streams) == (1, 2, 13)


def test_a_hung_actor_is_replaced_and_never_heard_of_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_DELAY", 0.0)
    alone = replace(SETTINGS, selfplay=SELFPLAY.model_copy(update={"actors": 1}))
    with closing(RayPool(alone, first_stream=20, heartbeat=5.0)) as pool:
        pool.publish(weights(), 0)
        batches = gather(pool, 2)
        os.kill(process_of(pool._living()[0]), signal.SIGSTOP)
        until_streams(pool, {21}, batches)
        assert (pool.restarts, pool.actors, pool.streams) == (1, 1, 22)


def test_actors_without_a_place_wait_and_do_not_count_as_alive(pool: RayPool) -> None:
    until_streams(pool, {10, 11}, gather(pool, 4))
    assert (pool.actors, pool.waiting) == (2, 0)
    nowhere = replace(SETTINGS, selfplay=SELFPLAY.model_copy(update={"resources": {"nowhere": 1.0}}))
    with closing(RayPool(nowhere)) as crowd:
        crowd.publish(weights(), 0)
        assert crowd.collect(wait=True) == []
        assert (crowd.actors, crowd.waiting) == (0, 2)


def test_waiting_for_games_ends_soon_though_none_came(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    gather(pool, 2)
    monkeypatch.setattr(module, "RESTART_DELAY", 600.0)
    for actor in pool._living():
        ray.kill(actor)
    while pool.actors:  # what lay ready, then their deaths
        pool.collect(wait=True)
    assert pool.collect(wait=True) == []


def test_invalid_mass_in_an_actor_is_raised_here_with_its_sentence(pool: RayPool) -> None:
    def leaking() -> GameBatch:
        raise InvalidMassError("invalid mass 0.5 in position 'X'")

    call = ray.remote(num_cpus=0)(leaking).remote()
    ray.wait([call])
    pool._calls[call] = pool._living()[0]
    with pytest.raises(InvalidMassError, match=r"^invalid mass 0.5 in position 'X'$"):
        pool.collect(wait=True)


def test_without_ray_games_are_played_only_when_awaited() -> None:
    local = LocalPool(SETTINGS)
    local.publish(weights(), 3)
    assert local.collect(wait=False) == []
    assert [batch.version for batch in local.collect(wait=True)] == [3]


def test_actors_that_cannot_start_say_why_at_the_first_death() -> None:
    with closing(RayPool(replace(SETTINGS, selfplay=SELFPLAY.model_copy(update={"runtime": "graphs"})))) as pool:
        pool.publish(weights(), 0)
        with pytest.raises(InputError, match=r"actors cannot start \(selfplay.runtime=graphs needs .*zeromass doctor"):
            gather(pool, 1)
        assert pool.restarts == 0


def test_any_change_of_any_source_changes_the_hash(tmp_path: Path) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "module.py").write_text("x = 1\n")
    seen = {code_hash(tmp_path)}
    for change in (
        lambda: (tmp_path / "agent" / "module.py").write_text("x = 2\n"),
        lambda: (tmp_path / "training" / "more.py").write_text(""),
        lambda: (tmp_path / "kernels" / "module.py").rename(tmp_path / "kernels" / "other.py"),
        lambda: (tmp_path / "selfplay" / "module.py").unlink(),
    ):
        change()
        seen.add(code_hash(tmp_path))
    assert len(seen) == 5
    before = code_hash(tmp_path)
    (tmp_path / "agent" / "__pycache__").mkdir()
    (tmp_path / "agent" / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    assert code_hash(tmp_path) == before


def test_this_process_is_itself_and_no_other() -> None:
    assert identity() == code_hash(ROOT)
    check_identity(identity(), "this process")
    with pytest.raises(InputError, match=rf"the actor runs other code \({identity()[:12]}\) than the run \(0000\)"):
        check_identity("0000", "the actor")


def test_a_game_actor_with_other_code_refuses_to_play() -> None:
    with pytest.raises(InputError, match=r"^the game actor on .* runs other code"):
        GameActor(SETTINGS, 0, "0000").play([], 0)
    assert GameActor(SETTINGS, 0, identity()).play([ray.put(weights())], 0).version == 0
