"""Thinking under limits, with material as the network: compiled, and evaluated leaf by leaf."""

import threading
from collections.abc import Callable
from dataclasses import replace

import chess
import numpy as np
import pytest

from agent import vocabulary
from agent.engine.limits import Clock, Control, Limits, ThinkOptions
from agent.engine.report import Report
from agent.engine.thinker import Thinker, TimedPlayer
from agent.rules import Games
from agent.search import material_evaluator, playing
from agent.search.gumbel.single import SingleGumbelSearch
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions, Thinking
from agent.vocabulary import MAX_LEGAL, from_uci
from tests.agent.search.evaluators import MaterialLeaves
from tests.agent.standin import PATIENCE

MATE_IN_TWO = chess.Board("7k/8/5K2/8/8/8/8/Q7 w - - 0 1")
BUSY = chess.Board("r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10")
LEAVES = MaterialLeaves()
START = [move.uci() for move in chess.Board().legal_moves]
SLICED = (  # many moves take the same number of nodes
    "r1b1k1nb/pp1pp3/nP4Pr/q4p2/P1p5/N5P1/1RPPPP2/2BQKBN1 b - - 2 16",
    "1rk2b1r/p2b4/PpBp3p/2pPppB1/2P1P3/7q/PQ2K3/2R3R1 w - - 0 34",
)


@pytest.fixture(scope="module", params=["compiled", "leaf by leaf"])
def thinker(request: pytest.FixtureRequest) -> Thinker:
    return Thinker(material_evaluator() if request.param == "compiled" else LEAVES, megabytes=8)


@pytest.mark.parametrize(
    "limits",
    [
        *(Limits(seconds=0.02), Limits(clock=Clock(0.5)), Limits(clock=Clock(0.0)), Limits(depth=3), Limits(mate=1)),
        *(Limits(clock=Clock(60.0), simulations=100), Limits(clock=Clock(-1.0, 100.0, 1)), Limits(nodes=1)),
        *(Limits(nodes=100), Limits(simulations=1)),
    ],
)
def test_every_limit_ends_with_a_legal_move_of_those_asked_for(thinker: Thinker, limits: Limits) -> None:
    report = thinker.think(BUSY, limits)
    assert BUSY.is_legal(report.best.move)
    most = limits.simulations or limits.nodes or 10**6
    assert 1 <= report.nodes <= most
    for moves, wanted in ((("a2a3", "h2h4", "e2e5"), {"a2a3", "h2h4"}), (("e2e5",), set(START))):
        report = thinker.think(chess.Board(), replace(limits, moves=moves), ThinkOptions(lines=MAX_LEGAL))
        assert {line.move.uci() for line in report.lines} == wanted


def searched(search: Thinking, nodes: int, simulations: int | None = None) -> list[tuple[int, int, float]]:
    """What `search` by itself finds in BUSY."""
    search.begin(Games.from_boards([BUSY]), RootOptions(lines=2, simulations=simulations))
    assert search.run(nodes) == (simulations is None)
    return [(move.move, move.nodes, move.value) for move in search.look(MAX_LEGAL)]


def test_limits_choose_the_search() -> None:
    """A number of simulations means Gumbel search; else a compiled network means principal-variation search."""
    compiled, batched = Thinker(material_evaluator(), megabytes=8), Thinker(LEAVES, megabytes=8)
    gumbel = [SingleGumbelSearch(each, playing(), 8) for each in (material_evaluator(), LEAVES)]
    pvs = PrincipalVariationSearch(material_evaluator(), 8)
    for thinker, limits, wanted in (
        (compiled, Limits(simulations=300), searched(gumbel[0], 300, 300)),
        (compiled, Limits(300, nodes=300, clock=Clock(1e6)), searched(gumbel[0], 300, 300)),
        (batched, Limits(simulations=300), searched(gumbel[1], 300, 300)),
        (batched, Limits(nodes=60), searched(gumbel[1], 60)),
        (compiled, Limits(nodes=2000), searched(pvs, 2000)),
    ):
        lines = thinker.think(BUSY, limits, ThinkOptions(MAX_LEGAL, keep=2, fresh=True)).lines
        found = [(from_uci(line.move.uci(), black=False), line.nodes, line.score) for line in lines]
        assert found == wanted


def test_the_same_simulations_give_the_same_thought(thinker: Thinker) -> None:
    one, other = (thinker.think(BUSY, Limits(simulations=700), ThinkOptions(lines=3)).lines for _ in range(2))
    assert one == other
    options = [ThinkOptions(temperature=3.0, seed=seed) for seed in [*range(12), 11]]
    noisy = [thinker.think(BUSY, Limits(simulations=16), each).best for each in options]
    assert len({line.move for line in noisy}) > 2
    assert noisy[-1] == noisy[-2]


@pytest.mark.parametrize("lines", [1, 3])
def test_the_same_nodes_give_the_same_thought(thinker: Thinker, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was thought before, and wherever the clock was looked at."""
    for fen in (BUSY.fen(), *SLICED):
        found = []
        for slice_ in (1e-9, 0.0003, 10.0):
            monkeypatch.setattr("agent.engine.thinker.SLICE", slice_)
            options = ThinkOptions(lines=MAX_LEGAL, keep=lines, fresh=True)
            found.append(thinker.think(chess.Board(fen), Limits(nodes=1000), options).lines)
        assert found[0] == found[1] == found[2]


def test_mate_is_proven_played_and_counted() -> None:
    thinker = Thinker(material_evaluator(), megabytes=8)
    for limits in (Limits(mate=2), Limits(nodes=5000), Limits(seconds=30.0), Limits(clock=Clock(600.0))):
        best = thinker.think(MATE_IN_TWO, limits).best
        assert (best.mate_in, len(best.moves)) == (2, 3)
        after = MATE_IN_TWO.copy()
        for move in best.moves:
            after.push(move)
        assert after.is_checkmate()


@pytest.mark.parametrize("limits", [Limits(simulations=500), Limits(nodes=3000), Limits(nodes=100), Limits(nodes=1)])
@pytest.mark.parametrize("keep", [None, 1, 3])
def test_lines_are_ranked(thinker: Thinker, limits: Limits, keep: int | None) -> None:
    """Every legal move once; values never rise; all but those that are kept are bounds, shown as such."""
    lines = thinker.think(BUSY, limits, ThinkOptions(lines=MAX_LEGAL, keep=keep)).lines
    assert {line.move for line in lines} == set(BUSY.legal_moves)
    values = [line.score for line in lines]
    assert values == sorted(values, reverse=True)
    bounds = [line for line in lines if not line.exact]
    assert all(line.value.startswith("<=") != line.exact for line in lines)
    if thinker._open is thinker._fixed or limits.simulations:
        assert not bounds
    elif limits.nodes == 3000 and keep is not None:
        assert lines[keep:] == tuple(bounds)


def released(
    limits: Limits, release: Callable[[Control], None], board: chess.Board = BUSY, thinker: Thinker | None = None
) -> Report:
    """Its report, thought in another thread until `release`."""
    thinker, control = thinker or Thinker(material_evaluator(), megabytes=8), Control()
    found, seen = list[Report](), threading.Event()

    def think() -> None:
        found.append(thinker.think(board, limits, control=control, watch=lambda report: seen.set()))

    thread = threading.Thread(target=think)
    thread.start()
    assert seen.wait(PATIENCE)
    assert thread.is_alive()
    release(control)
    thread.join(PATIENCE)
    return found[0]


@pytest.mark.parametrize("limits", [Limits(), Limits(nodes=9), Limits(depth=1), Limits(mate=1), Limits(9, seconds=0.0)])
def test_infinite_waits_to_be_stopped(limits: Limits) -> None:
    """Whatever else is asked for, and where nothing is left to search: a mate is proven, the memory is full."""
    limits = replace(limits, infinite=True)
    assert BUSY.is_legal(released(limits, Control.stop).best.move)
    assert released(limits, Control.stop, MATE_IN_TWO).best.moves
    assert released(limits, Control.stop, thinker=Thinker(LEAVES, megabytes=1)).nodes <= 64 + 256 + 1024


@pytest.mark.parametrize("limits", [Limits(clock=Clock(0.5)), Limits(50), Limits(nodes=50), Limits(mate=1)])
def test_pondering_waits_for_the_move_and_what_was_thought_before_counts(limits: Limits) -> None:
    for release in (Control.hit, Control.stop):
        report = released(replace(limits, ponder=True), release)
        assert report.nodes >= (50 if limits.mate is None else 1)


@pytest.mark.parametrize("ponder", [False, True])
def test_a_stop_before_the_search_is_obeyed(thinker: Thinker, ponder: bool) -> None:
    for limits in (Limits(infinite=True), Limits(clock=Clock(1e6)), Limits(simulations=100_000)):
        control = Control()
        control.hit()
        control.stop()
        assert 1 <= thinker.think(BUSY, replace(limits, ponder=ponder), control=control).nodes <= 64


def test_every_finished_depth_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.engine.thinker.SLICE", 1e-9)
    reports = list[Report]()
    thinker = Thinker(material_evaluator(), megabytes=8)
    last = thinker.think(BUSY, Limits(depth=7), ThinkOptions(lines=3), watch=reports.append)
    depths = [report.depth for report in reports]
    assert depths == sorted(depths)
    assert set(range(3, 8)) <= {*depths, last.depth}
    assert {len(report.lines) for report in reports} == {3}
    assert last.deepest >= last.depth == 7


def test_memory_can_be_changed_and_stays_where_there_is_not_enough() -> None:
    thinker, limits = Thinker(material_evaluator(), megabytes=1), Limits(nodes=20_000)
    share = thinker.think(BUSY, limits).full
    with pytest.raises(MemoryError):
        thinker.resize(2**40)
    thinker.forget()
    assert thinker.think(BUSY, limits).full == share
    thinker.resize(2)
    assert thinker.think(BUSY, limits).full == pytest.approx(share / 2, rel=0.3)


def test_what_was_found_is_kept_until_forgotten() -> None:
    thinker, limits = Thinker(material_evaluator(), megabytes=8), Limits(nodes=3000)
    first, second = (thinker.think(BUSY, limits) for _ in range(2))
    assert second.depth > first.depth
    thinker.forget()
    assert thinker.think(BUSY, limits).lines == first.lines


def test_time_counts_whatever_an_earlier_position_let_hope_for() -> None:
    """A position full of exact leaves is searched a hundred times as fast as the next one."""
    thinker = Thinker(LEAVES, megabytes=64)
    for limits in (Limits(seconds=0.01), Limits(30_000, seconds=0.01), Limits(clock=Clock(0.15))):
        thinker._speed = 1e7
        assert 1 <= thinker.think(BUSY, limits).nodes <= 4000


def test_every_game_is_thought_about_for_both_colours() -> None:
    fens = ["6k1/5ppp/8/8/8/8/8/R6K w - - 0 1", "r6k/8/8/8/8/8/5PPP/6K1 b - - 0 1", chess.STARTING_FEN]
    player = TimedPlayer(Thinker(material_evaluator(), megabytes=16), 0.02)
    choice = player.choose(Games.from_boards([chess.Board(fen) for fen in fens]))
    assert [vocabulary.to_uci(int(choice.moves[row]), black=row == 1) for row in (0, 1)] == ["a1a8", "a8a1"]
    assert chess.Move.from_uci(vocabulary.to_uci(int(choice.moves[2]), black=False)) in chess.Board().legal_moves
    assert np.allclose(choice.values[:2], 1)
    assert player.moves == 3
    assert player.nodes > 0


def test_a_draw_by_repetition_is_seen_though_it_stands_in_the_history_alone() -> None:
    board = chess.Board("k7/8/8/8/8/q7/7K/8 w - - 0 1")
    for san in ("Kg1", "Kb8", "Kh1", "Ka8", "Kg1", "Kb8", "Kh1", "Ka8"):
        board.push_san(san)
    games = Games.from_boards([board])
    player = TimedPlayer(Thinker(material_evaluator(), megabytes=16), 0.05)
    choice = player.choose(games)
    assert vocabulary.to_uci(int(choice.moves[0]), black=False) == "h1g1"  # for the third time: the queen wins nothing
    assert abs(float(choice.values[0])) < 0.01
    games.reset(positions=games.positions)
    assert float(player.choose(games).values[0]) < -0.1


def test_reports_as_often_as_asked_have_the_nodes_of_every_move(thinker: Thinker) -> None:
    reports: list[Report] = []
    thinker.think(BUSY, Limits(seconds=0.5), control=Control(0.02), watch=reports.append)
    assert len(reports) > 3
    for report in reports:
        assert {move for move, _ in report.searched} == set(BUSY.legal_moves)
        assert 0 < sum(nodes for _, nodes in report.searched) <= report.nodes
        assert dict(report.searched)[report.best.move] == report.best.nodes
    assert thinker.think(BUSY, Limits(nodes=100)).searched == ()
