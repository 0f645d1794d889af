"""Batches for one evaluator: first without Ray, then as the actor that several game actors ask, also when some die."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from time import monotonic, sleep
from typing import Any, cast

import numpy as np
import pytest
import ray
import torch
from numpy.typing import NDArray

from agent.networks.contract import LegalEvaluation
from agent.networks.evaluator import Evaluator
from agent.networks.registry import make_evaluator
from agent.rules import WORDS, Games
from selfplay import pool as module
from selfplay.inference import Answer, Batcher, BatcherStatistics, RemoteEvaluator, start_inference
from selfplay.pool import LocalPool, RayPool
from selfplay.record import GameRecord
from selfplay.settings import ActorSettings, InferenceSettings, SelfplaySettings
from tests.selfplay.test_pool import ARCHITECTURE, gather, network, process_of, same_games, until_streams, weights

LONG = 30.0


class Echo(Evaluator):
    """Answers with what it was asked: values are the positions' first words, logits the moves, plus the weights."""

    def __init__(self) -> None:
        self.batches, self.shift = list[int](), 0.0
        self.started, self.may_go_on = threading.Semaphore(0), threading.Event()
        self.may_go_on.set()

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        self.shift = float(state["shift"])

    def evaluate_legal(self, positions: Any, moves: Any, counts: Any) -> LegalEvaluation:
        self.started.release()
        assert self.may_go_on.wait(LONG)
        self.batches.append(len(positions))
        if (positions[:, 0] == 13).any():
            raise ValueError("thirteen")
        return LegalEvaluation(moves.astype(np.float32) + self.shift, positions[:, 0].astype(np.float32) + self.shift)


def request(number: int, size: int = 2) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.int32]]:
    """Recognisable positions; game i of it has i + 1 + number % 3 legal moves."""
    positions = np.full((size, WORDS), number, np.uint64)
    counts = (np.arange(size) + 1 + number % 3).astype(np.int32)
    moves = np.full((size, 224), 60_000, np.uint16)
    for row, count in enumerate(counts.tolist()):
        moves[row, :count] = number + np.arange(count)
    return positions, moves, counts


def check(answer: Answer, number: int, shift: float = 0.0) -> None:
    _, found = answer
    _, moves, counts = request(number, len(found.values))
    assert (found.values == number + shift).all()
    assert found.logits.shape == (len(counts), counts.max())
    for row, count in enumerate(counts.tolist()):
        assert found.logits[row, :count].tolist() == (moves[row, :count] + shift).tolist()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.may_go_on.set()


def test_many_threads_each_get_their_own_answers(echo: Echo) -> None:
    batcher = Batcher(echo, batch_size=16, max_wait=0.001)

    def client(first: int) -> int:
        for number in range(first, first + 40):
            check(batcher.ask(*request(number, 1 + number % 5)), number)
        return 40

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(client, range(100, 900, 100))) == 320
    done = batcher.take_statistics()
    assert done.requests == 320
    assert done.positions == sum(echo.batches) == sum(8 * [sum(1 + n % 5 for n in range(100, 140))])
    assert max(echo.batches) <= 16


def test_a_full_batch_does_not_wait_nor_a_lonely_request_for_long(echo: Echo) -> None:
    batcher = Batcher(echo, batch_size=8, max_wait=LONG)
    with ThreadPoolExecutor(4) as pool:
        for number, call in enumerate([pool.submit(batcher.ask, *request(n)) for n in range(4)]):
            check(call.result(LONG / 2), number)
    assert echo.batches == [8]
    lonely = Batcher(echo, batch_size=1000, max_wait=0.01)  # waits no longer than it may
    check(lonely.ask(*request(5)), 5)
    assert echo.batches == [8, 2]


def test_batches_are_bounded_but_a_large_request_is_one(echo: Echo) -> None:
    batcher = Batcher(echo, batch_size=4, max_wait=0.0)
    echo.may_go_on.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.ask, *request(1))
        assert echo.started.acquire(timeout=LONG)
        calls, deadline = [first], monotonic() + LONG
        for number, size, held in ((2, 2, 2), (3, 2, 4), (4, 2, 6), (7, 9, 15)):
            calls.append(pool.submit(batcher.ask, *request(number, size)))
            while batcher._held != held:
                assert monotonic() < deadline
                sleep(0.01)
        echo.may_go_on.set()
        for number, call in zip([1, 2, 3, 4, 7], calls, strict=True):
            check(call.result(LONG), number)
    assert sorted(echo.batches[1:]) == [2, 4, 9]


def test_an_answer_names_the_version_that_gave_it(echo: Echo) -> None:
    batcher = Batcher(echo, batch_size=1, max_wait=0.0)
    assert batcher.ask(*request(1))[0] == -1
    batcher.load({"shift": torch.tensor(0.5)}, 4)
    answer = batcher.ask(*request(2))
    assert answer[0] == batcher.version == 4
    check(answer, 2, 0.5)
    batcher.load({"shift": torch.tensor(9.0)}, 3)  # came late
    check(batcher.ask(*request(3)), 3, 0.5)


def test_weights_do_not_change_within_a_batch(echo: Echo) -> None:
    batcher = Batcher(echo, batch_size=1, max_wait=0.0)
    echo.may_go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(batcher.ask, *request(1))
        assert echo.started.acquire(timeout=LONG)
        loading = pool.submit(batcher.load, {"shift": torch.tensor(0.5)}, 1)
        echo.may_go_on.set()
        check(call.result(LONG), 1)
        assert call.result()[0] == -1
        loading.result(LONG)
    assert batcher.ask(*request(1))[0] == 1


def test_an_error_reaches_all_of_its_batch_and_no_other(echo: Echo) -> None:
    batcher = Batcher(echo, batch_size=4, max_wait=LONG)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(batcher.ask, *request(number)) for number in (13, 14)]
        for call in calls:
            with pytest.raises(ValueError, match="thirteen"):
                call.result(LONG)
        calls = [pool.submit(batcher.ask, *request(number)) for number in (15, 16)]
        for number, call in zip((15, 16), calls, strict=True):
            check(call.result(LONG), number)


def test_what_does_not_fit_is_refused_before_it_can_spoil_a_batch(echo: Echo) -> None:
    positions, moves, counts = request(1)
    with pytest.raises(ValueError, match="2 positions, moves"):
        Batcher(echo, batch_size=4, max_wait=0.0).ask(positions, moves, counts[:1])


POLICY = SelfplaySettings(actors=3, games=4, opening_plies=4, ply_cap=14, plies_per_call=6)
SEARCH = POLICY.model_copy(update={"simulations": 6})
INFERENCE = InferenceSettings(actor=True, batch_size=8, max_wait_ms=20, runtime="eager")
SETTINGS = ActorSettings(ARCHITECTURE, SEARCH, INFERENCE, seed=0)


@pytest.fixture
def pool(request: pytest.FixtureRequest, local_ray: None) -> Iterator[RayPool]:
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
    records: list[GameRecord] = []
    while not any(1 in record.versions for record in records):
        records += [record for batch in pool.collect(wait=True) for record in batch.records]
    for record in records:
        assert set(record.versions.tolist()) <= {0, 1}
        assert record.versions.tolist() == sorted(record.versions.tolist())
        assert record.version == record.versions[-1]


@pytest.mark.usefixtures("local_ray")
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
