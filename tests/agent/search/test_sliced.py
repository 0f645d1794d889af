"""The search in slices: equal to the search in one piece, whatever the slices; and what it can do besides."""

import chess
import numpy as np
import pytest
from agent.search.sliced import Halving, SlicedSearch

from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings, material_evaluator
from agent.search.settings import visit_schedule
from agent.vocabulary import from_uci
from tests.agent.search.evaluators import MaterialLeaves

FENS = [
    chess.STARTING_FEN,
    "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R b KQkq - 3 3",
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
]


def run(search: SlicedSearch, simulations: int, slices: int = 50) -> None:
    halving = Halving(min(16, search.moves), simulations)
    done = 0
    while done < simulations:
        done += search.run(halving.take(min(slices, simulations - done)))


@pytest.mark.parametrize("considered", [1, 2, 3, 6, 16, 31])
@pytest.mark.parametrize("simulations", [1, 7, 64, 500])
def test_halving_in_slices_is_the_table(considered: int, simulations: int) -> None:
    halving, got, size = Halving(considered, simulations), list[int](), 1
    while len(got) < simulations:
        got.extend(halving.take(min(size, simulations - len(got))).tolist())
        size = size % 11 + 1
    assert got == visit_schedule(considered, simulations)[considered].tolist()


@pytest.mark.parametrize("fen", FENS)
@pytest.mark.parametrize("scale", [0.0, 1.0])
@pytest.mark.parametrize("c_puct", [0.0, 1.2])
def test_first_round_is_gumbel_search(fen: str, scale: float, c_puct: float) -> None:
    settings = SearchSettings(simulations=200, gumbel_scale=scale, c_puct=c_puct)
    games = Games.from_boards([chess.Board(fen)])
    wanted = GumbelSearch(settings, material_evaluator()).run(games, [5], seed=3)
    search = SlicedSearch(material_evaluator(), settings, megabytes=8)
    search.begin(games, key=5, seed=3)
    run(search, 200, slices=13)
    looked = search.look()
    found = sorted(looked)
    assert [move.move for move in found] == wanted.indices.tolist()
    assert [move.visits for move in found] == wanted.visits.tolist()
    np.testing.assert_allclose([move.policy for move in found], wanted.probabilities, atol=1e-6)
    assert looked[0].move == wanted.moves[0]
    assert [move.visits for move in looked[1:]] == sorted((move.visits for move in looked[1:]), reverse=True)


@pytest.mark.parametrize("fen", FENS[1:3])
def test_leaf_by_leaf_is_the_compiled_search(fen: str) -> None:
    games, looks = Games.from_boards([chess.Board(fen)]), []
    for evaluator in (material_evaluator(), MaterialLeaves()):
        search = SlicedSearch(evaluator, SearchSettings(gumbel_scale=0), megabytes=8)
        search.begin(games)
        run(search, 100)
        looks.append([(move.move, move.visits, round(move.value, 5)) for move in search.look()])
    assert looks[0] == looks[1]


def test_moves_left_out_get_no_edge() -> None:
    board = chess.Board()
    allowed = np.array([from_uci(move, black=False) for move in ("a2a3", "h2h4")], np.uint16)
    search = SlicedSearch(material_evaluator(), SearchSettings(gumbel_scale=0), megabytes=8)
    search.begin(Games.from_boards([board]), allowed=allowed)
    run(search, 60)
    found = search.look()
    assert {move.move for move in found} == set(allowed.tolist())
    assert sum(move.visits for move in found) == 60
    search.begin(Games.from_boards([board]), allowed=np.array([1879], np.uint16))  # not legal: as if none was named
    assert search.moves == 20


@pytest.mark.parametrize(
    ("fen", "plies", "first"),
    [
        ("7k/8/5KQ1/8/8/8/8/8 w - - 0 1", 1, None),
        ("7k/8/5K2/8/8/8/8/Q7 w - - 0 1", 3, None),
        ("6k1/5ppp/8/8/8/8/5PPP/R2R2K1 w - - 0 1", 1, None),
        ("8/8/8/8/8/5k2/8/4q2K w - - 0 1", -4, "h1h2"),  # forced, then mated
        ("5rk1/5ppp/8/8/8/8/8/K2RR3 w - - 0 1", 0, None),
    ],
)
def test_mates_are_proven_as_python_chess_sees_them(fen: str, plies: int, first: str | None) -> None:
    board = chess.Board(fen)
    search = SlicedSearch(material_evaluator(), SearchSettings(gumbel_scale=0, max_considered_actions=218), megabytes=8)
    search.begin(Games.from_boards([board]))
    halving = Halving(search.moves, 4000)
    while search.simulations < 4000 and not search.proof():
        search.run(halving.take(50))
    assert search.proof() == plies == forced_mate(board, 4)
    best = search.look(1)[0]
    assert best.mate == plies
    if first is not None:
        assert best.move == from_uci(first, black=False)
    if plies:
        assert len(best.line) == abs(plies)


def forced_mate(board: chess.Board, depth: int) -> int:
    """Plies to mate by brute force, negative for being mated; 0: none within `depth`."""
    if board.is_checkmate():
        return -(10**6)  # mated now
    if depth == 0 or board.is_game_over(claim_draw=True):
        return 0
    results = []
    for move in board.legal_moves:
        board.push(move)
        results.append(forced_mate(board, depth - 1))
        board.pop()
    mates = [1 if result == -(10**6) else 1 - result for result in results if result < 0]
    if mates:
        return min(mates)
    return -1 - max(results) if all(result > 0 for result in results) else 0


def test_rounds_keep_the_tree_and_what_they_found() -> None:
    """After rounds of 64, 64, 128 ... the visits add up, and a round just begun does not unseat the best."""
    search = SlicedSearch(material_evaluator(), SearchSettings(gumbel_scale=0), megabytes=8)
    search.begin(Games.from_boards([chess.Board(FENS[2])]))
    run(search, 64)
    for length in (64, 128, 256):
        before = search.look(1)[0]
        search.new_round()
        run(search, 3)
        after = {move.move: move for move in search.look()}
        assert after[before.move].visits >= before.visits
        assert search.look(1)[0].visits >= before.visits // 2
        search.new_round()
        run(search, length - 3)
    assert sum(move.visits for move in search.look()) == search.simulations == 512


def test_a_full_memory_ends_the_search() -> None:
    search = SlicedSearch(material_evaluator(), SearchSettings(gumbel_scale=0), megabytes=1)
    search.begin(Games.from_boards([chess.Board(FENS[2])]))
    halving, asked = Halving(16, 10_000), 0
    while (done := search.run(wanted := halving.take(500))) == len(wanted):
        asked += done
        assert asked < 10_000
    assert 0.9 < search.full <= 1.0
    assert search.run(halving.take(10)) == 0
    assert sum(move.visits for move in search.look()) == search.simulations


def test_no_legal_move_and_more_than_one_game_are_refused() -> None:
    search = SlicedSearch(material_evaluator(), SearchSettings(), megabytes=1)
    with pytest.raises(ValueError, match="legal move"):
        search.begin(Games.from_boards([chess.Board("7k/5Q2/5K2/8/8/8/8/8 b - - 0 1")]))
    with pytest.raises(ValueError, match="not 2"):
        search.begin(Games(2))


def test_an_answer_that_is_no_number_is_refused() -> None:
    search = SlicedSearch(MaterialLeaves(spoil_value=np.nan), SearchSettings(), megabytes=1)
    search.begin(Games(1))
    with pytest.raises(ValueError, match="NaN"):
        search.run(np.zeros(5, np.int32))
