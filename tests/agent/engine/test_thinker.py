"""Thinking under limits, with material as the network."""

import threading
from collections.abc import Callable
from dataclasses import replace

import chess
import pytest

from agent.engine.limits import Clock, Control, Limits, ThinkOptions
from agent.engine.report import Report
from agent.engine.thinker import Thinker
from agent.search import material_evaluator
from tests.agent.search.evaluators import MaterialLeaves
from tests.agent.standin import PATIENCE

MATE_IN_TWO = chess.Board("7k/8/5K2/8/8/8/8/Q7 w - - 0 1")
BUSY = chess.Board("r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10")


@pytest.fixture(scope="module")
def thinker() -> Thinker:
    return Thinker(material_evaluator(), megabytes=32)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(seconds=0.02),
        Limits(clock=Clock(0.5, 0.0)),
        Limits(clock=Clock(0.0, 0.0)),
        Limits(clock=Clock(60.0, 0.0), simulations=100),
        Limits(depth=3),
        Limits(simulations=1),
    ],
)
def test_every_limit_ends_with_a_legal_move(thinker: Thinker, limits: Limits) -> None:
    report = thinker.think(BUSY, limits)
    assert BUSY.is_legal(report.best.move)
    assert report.simulations >= 1
    assert limits.simulations is None or report.simulations <= limits.simulations


def test_the_same_simulations_give_the_same_thought(thinker: Thinker) -> None:
    one, other = (thinker.think(BUSY, Limits(simulations=700), ThinkOptions(lines=3)).lines for _ in range(2))
    assert one == other
    options = [ThinkOptions(temperature=3.0, seed=seed) for seed in [*range(12), 11]]
    noisy = [thinker.think(BUSY, Limits(simulations=16), each).best for each in options]
    assert len({line.move for line in noisy}) > 2
    assert noisy[-1] == noisy[-2]


def test_leaf_by_leaf_thinks_alike(thinker: Thinker) -> None:
    batched = Thinker(MaterialLeaves(), megabytes=8)
    for fen in (BUSY, MATE_IN_TWO):
        one, other = (each.think(fen, Limits(simulations=200)).best for each in (thinker, batched))
        assert (one.moves, one.visits, one.mate) == (other.moves, other.visits, other.mate)


def test_mate_is_proven_played_and_counted(thinker: Thinker) -> None:
    for limits in (Limits(mate=2), Limits(simulations=5000), Limits(seconds=30.0), Limits(clock=Clock(600.0))):
        best = thinker.think(MATE_IN_TWO, limits).best
        assert (best.mate_in, len(best.moves)) == (2, 3)
        after = MATE_IN_TWO.copy()
        for move in best.moves:
            after.push(move)
        assert after.is_checkmate()


def test_many_lines_differ_and_begin_with_the_best(thinker: Thinker) -> None:
    report = thinker.think(BUSY, Limits(simulations=500), ThinkOptions(lines=4))
    assert len({line.move for line in report.lines}) == 4
    assert report.best.move == thinker.think(BUSY, Limits(simulations=500), ThinkOptions(lines=4)).best.move
    forced = chess.Board("7k/8/8/8/8/8/r7/7K w - - 0 1")
    assert len(thinker.think(forced, Limits(simulations=20), ThinkOptions(lines=9)).lines) == 1


def test_searched_moves_only(thinker: Thinker) -> None:
    limits = Limits(simulations=100, moves=("a2a3", "h2h4", "e2e5"))
    report = thinker.think(chess.Board(), limits, ThinkOptions(lines=5))
    assert {line.move.uci() for line in report.lines} == {"a2a3", "h2h4"}


def released(limits: Limits, release: Callable[[Control], None], megabytes: int = 64) -> Report:
    """Its report, thought in another thread until `release`."""
    thinker, control = Thinker(material_evaluator(), megabytes=megabytes), Control()
    found, seen = list[Report](), threading.Event()

    def think() -> None:
        found.append(thinker.think(BUSY, limits, control=control, watch=lambda report: seen.set()))

    thread = threading.Thread(target=think)
    thread.start()
    assert seen.wait(PATIENCE)
    assert thread.is_alive()
    release(control)
    thread.join(PATIENCE)
    return found[0]


@pytest.mark.parametrize("full", [False, True])
def test_infinite_waits_to_be_stopped(full: bool) -> None:
    """Also when the memory is full long before."""
    report = released(Limits(infinite=True), Control.stop, 1 if full else 64)
    assert BUSY.is_legal(report.best.move)


@pytest.mark.parametrize("limits", [Limits(ponder=True, clock=Clock(0.5)), Limits(ponder=True, simulations=50)])
def test_pondering_goes_on_in_the_same_tree_when_the_move_is_played(limits: Limits) -> None:
    assert released(limits, Control.hit).simulations > 50  # what was thought before counts


def test_memory_can_be_changed(thinker: Thinker) -> None:
    small = Thinker(material_evaluator(), megabytes=8)
    share = small.think(BUSY, Limits(simulations=200)).full
    small.resize(16)
    assert small.think(BUSY, Limits(simulations=200)).full == pytest.approx(share / 2, rel=0.2)


def test_a_hanging_queen_is_taken(thinker: Thinker) -> None:
    board = chess.Board("rnb1kbnr/ppp2ppp/8/3p4/6q1/5N1P/PPPP1PP1/RNBQKB1R w KQkq - 0 1")
    assert thinker.think(board, Limits(seconds=0.05)).best.move == chess.Move.from_uci("h3g4")


def test_time_counts_whatever_an_earlier_position_let_hope_for() -> None:
    """A position full of exact leaves is searched a hundred times as fast as the next one."""
    thinker, timed = Thinker(MaterialLeaves(), megabytes=64), Limits(30_000, 0.05)
    for limits in (Limits(seconds=0.05), timed, replace(timed, planned=30_000), Limits(clock=Clock(0.5))):
        thinker._speed = 1e7
        assert 1 <= thinker.think(BUSY, limits).simulations <= 4000
