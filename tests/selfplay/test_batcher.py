"""The batcher without Ray: bounded waits and batches, every request answered once, by one version of the weights."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent.networks.contract import LegalEvaluation
from agent.networks.evaluator import Evaluator
from agent.rules import WORDS
from selfplay.inference import Answer, Batcher

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
