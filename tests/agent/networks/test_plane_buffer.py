"""The plane buffer shows what `planes` shows, whatever it showed before."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.residual.network import Architecture, Network
from agent.networks.residual.plane_buffer import PlaneBuffer
from agent.networks.residual.planes import planes
from agent.rules import Games
from agent.rules.record import STATE
from selfplay.mover import PolicyMover
from tests.agent.positions import PERFT, TRICKY
from tests.agent.rules.test_games import random_positions


def any_positions(number: int, seed: int = 0) -> NDArray[np.uint64]:
    """Of random games and of tricky FENs, with every number of repetitions and many clocks."""
    rng = np.random.default_rng(seed)
    known = np.stack([rules.from_fen(fen) for fen in (*PERFT, *TRICKY)])
    found = np.concatenate([known, random_positions(100)])[rng.integers(len(known) + 100, size=number)]
    found[:, STATE] &= ~np.uint64(0xFFFFFF << 16)
    return found | state_only(number, rng.integers(5, size=number) << 16 | rng.integers(151, size=number) << 24)


def state_only(number: int, state: NDArray[np.int64]) -> NDArray[np.uint64]:
    words = np.zeros((number, rules.WORDS), np.uint64)
    words[:, STATE] = state.astype(np.uint64)
    return words


def test_games_going_on() -> None:
    rng, games, buffer = np.random.default_rng(1), Games(40), PlaneBuffer(40)
    ends = 0
    for ply in range(300):
        shown = buffer.update(games.positions, threads=1 + ply % 3)
        assert np.array_equal(shown, planes(games.positions))
        indices, counts = rules.legal_moves(games.positions)
        games.play(indices[np.arange(40), rng.integers(counts)])
        over = np.flatnonzero(games.outcome(claim_draws=ply % 2 == 0))
        games.reset(over)
        ends += len(over)
    assert ends > 5  # games began anew among others that went on


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8), st.integers(1, 4))
def test_any_positions_in_any_order(seeds: list[int], threads: int) -> None:
    buffer = PlaneBuffer(30)
    for seed in seeds:
        positions = any_positions(30, seed)
        assert np.array_equal(buffer.update(positions, threads=threads), planes(positions))


def test_rows_that_change_places() -> None:
    positions, rng, buffer = any_positions(64), np.random.default_rng(2), PlaneBuffer(64)
    for _ in range(20):
        positions = positions[rng.permutation(64)]
        assert np.array_equal(buffer.update(positions), planes(positions))


def test_the_last_two_results_stand_beside_each_other() -> None:
    one, two, buffer = any_positions(8, 1), any_positions(8, 2), PlaneBuffer(8)
    first = buffer.update(one)
    second = buffer.update(two)
    assert np.array_equal(first, planes(one))
    assert np.array_equal(second, planes(two))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 positions for a buffer of 2"):
        PlaneBuffer(2).update(rules.start(3))
    with pytest.raises(ValueError, match="uint64"):
        PlaneBuffer(2).update(np.zeros((2, rules.WORDS), np.int64))
    assert PlaneBuffer(0).update(rules.start(0)).shape == (0, 21, 8, 8)


@pytest.mark.parametrize("batch_size", [512, 5])
def test_a_network_that_reads_the_buffer_plays_the_same(batch_size: int) -> None:
    torch.manual_seed(0)
    network = Network(Architecture(blocks=1, channels=8))
    games, keys = Games(16), np.arange(16)
    mover = PolicyMover(Evaluator(network, batch_size=batch_size), temperature=1.0, seed=3)
    for ply in range(12):
        moved = mover.move(games, keys + 16 * ply)
        fresh = PolicyMover(Evaluator(network, batch_size=batch_size), temperature=1.0, seed=3)
        assert np.array_equal(moved.moves, fresh.move(games, keys + 16 * ply).moves)
        alone = Evaluator(network, batch_size=batch_size).values(games.positions)
        assert np.array_equal(moved.values, alone)
        games.play(moved.moves)
        games.reset(np.flatnonzero(np.arange(16) % 7 == ply % 7))
