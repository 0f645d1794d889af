"""The inference actor with several game actors: the same games as without it, also when actors are killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import ray
import torch

from agent.networks.registry import make_evaluator
from agent.rules import Games
from selfplay import pool as module
from selfplay.actor import GameBatch
from selfplay.inference import BatcherStatistics, RemoteEvaluator, start_inference
from selfplay.pool import LocalPool, RayPool
from selfplay.settings import ActorSettings, InferenceSettings, SelfplaySettings
from tests.selfplay.test_pool import ARCHITECTURE, gather, network, process_of, same_games, until_streams, weights

pytestmark = pytest.mark.usefixtures("local_ray")
POLICY = SelfplaySettings(actors=3, games=4, opening_plies=4, ply_cap=14, plies_per_call=6)
SEARCH = POLICY.model_copy(update={"simulations": 6})
INFERENCE = InferenceSettings(actor=True, batch_size=8, max_wait_ms=20, runtime="eager")
SETTINGS = ActorSettings(ARCHITECTURE, SEARCH, INFERENCE, seed=0)


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Iterator[RayPool]:
    with closing(RayPool(getattr(request, "param", SETTINGS), first_stream=10)) as pool:
        yield pool


def alone(pool: RayPool) -> LocalPool:
    """What its first actor would be without the others."""
    local = LocalPool(pool._settings, first_stream=10)
    local.publish(weights(), 0)
    return local


def statistics(actor: Any) -> BatcherStatistics:
    return cast(BatcherStatistics, ray.get(actor.take_statistics.remote()))


@pytest.mark.parametrize("pool", [SETTINGS, replace(SETTINGS, selfplay=POLICY)], indirect=True)
def test_the_games_are_those_played_without_it(pool: RayPool) -> None:
    """Who evaluates, and in whose company, makes no difference: to the bit where games are searched. Where they are
    sampled the same moves are played, and numbers may round otherwise in batches of another size."""
    searched = pool._settings.selfplay.search is not None
    pool.publish(weights(), 0)
    for one, two in same_games(alone(pool), gather(pool, 12)):
        np.testing.assert_allclose(one.values, two.values, rtol=0, atol=0 if searched else 1e-6)
        np.testing.assert_allclose(one.log_probs, two.log_probs, atol=1e-6)
        np.testing.assert_array_equal(one.policies.probabilities, two.policies.probabilities)
    done = statistics(pool._inference)
    assert done.batches < done.requests
    fills = [pool.batch_fill]  # asked now, and answered by the next time
    while fills[-1] is None:  # the suite's own time limit ends this
        gather(pool, 1)
        fills.append(pool.batch_fill)
    assert fills[0] is None
    assert 0 < fills[-1] < 2


def test_records_name_the_versions_that_answered(pool: RayPool) -> None:
    pool.publish(weights(), 0)
    gather(pool, 3)
    pool.publish(weights(1), 1)
    batches: list[GameBatch] = []
    while not any(1 in record.versions for batch in batches for record in batch.records):
        batches += pool.collect(wait=True)
    for batch in batches:
        for record in batch.records:
            assert set(record.versions.tolist()) <= {0, 1}
            assert record.versions.tolist() == sorted(record.versions.tolist())
            assert record.version == record.versions[-1]


def test_an_answer_by_newer_weights_is_recorded_as_such() -> None:
    """A game actor may ask for version 0 and be answered by 3, which another one brought."""
    actor = start_inference(ARCHITECTURE, INFERENCE, callers=2)
    one, other = RemoteEvaluator(actor), RemoteEvaluator(actor)
    one.use([ray.put(weights())], 0)
    other.use([ray.put(weights(1))], 3)
    games = Games(2)
    one.evaluate(games.positions)
    assert one.take_version(-1) == 0
    other.evaluate(games.positions)
    found = one.evaluate(games.positions)
    assert one.take_version(-1) == 3
    assert one.take_version(7) == 7  # no answer since
    expected = make_evaluator(network(1), runtime="eager").evaluate(np.repeat(games.positions, 8, 0))
    assert torch.equal(found.values, expected.values[:2])
    ray.kill(actor)


# Requests wait for company that does not come, so that a game actor is nearly always in the midst of one.
WAITING = InferenceSettings(actor=True, batch_size=1000, max_wait_ms=100, runtime="eager")


@pytest.mark.slow
@pytest.mark.parametrize("pool", [replace(SETTINGS, inference=WAITING)], indirect=True)
def test_a_game_actor_killed_during_a_request_stops_no_other(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_DELAY", 0.0)
    victim = process_of(pool._actors[0])
    pool.publish(weights(), 0)
    before = gather(pool, 2)
    statistics(pool._inference)
    os.kill(victim, signal.SIGKILL)
    until_streams(pool, set(), before + until_streams(pool, {11, 12, 13}, []))
    assert (pool.restarts, pool.actors) == (1, 3)
    assert statistics(pool._inference).requests > 0


def test_a_killed_inference_actor_is_waited_for_and_given_its_weights_again(pool: RayPool) -> None:
    """Without publishing again: game actors hand over the weights that they play with."""
    pool.publish(weights(), 0)
    before = gather(pool, 3)
    first = process_of(pool._inference)
    os.kill(first, signal.SIGKILL)
    after = gather(pool, 9)
    assert pool.restarts == 0
    assert process_of(pool._inference) != first
    assert {batch.stream for batch in after} == {10, 11, 12}
    # What was played across the death is what is played without one.
    same_games(alone(pool), until_streams(pool, {10}, before + after))
