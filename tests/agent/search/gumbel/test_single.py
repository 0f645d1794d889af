"""One game's Gumbel search in slices: equal to the search in one piece, however it is cut; and what else it does."""

from dataclasses import replace

import chess
import numpy as np
import pytest

from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.rules import Games, legal_moves
from agent.search import GumbelSearch, SearchSettings, material_evaluator, playing
from agent.search.gumbel import together
from agent.search.gumbel.single import SingleGumbelSearch
from agent.search.thinking import RootMove, RootOptions
from agent.vocabulary import from_uci, to_uci
from tests.agent.search.evaluators import MaterialLeaves

FENS = [
    chess.STARTING_FEN,
    "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R b KQkq - 3 3",
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
]
MATE = "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 0 4"


def searched(
    fen: str,
    options: RootOptions,
    nodes: int,
    slices: int = 50,
    evaluator: CompiledEvaluator | LeafEvaluator | None = None,
    settings: SearchSettings | None = None,
) -> SingleGumbelSearch:
    search = SingleGumbelSearch(evaluator or material_evaluator(), settings or SearchSettings(), megabytes=8)
    search.begin(Games.from_boards([chess.Board(fen)]), options)
    while search.nodes < nodes and search.run(min(slices, nodes - search.nodes)):
        pass
    return search


@pytest.mark.parametrize("fen", FENS)
@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("c_puct", [0.0, 1.2])
@pytest.mark.parametrize("evaluator", [material_evaluator(), MaterialLeaves()])
def test_slices_are_gumbel_search(
    fen: str, noise: float, c_puct: float, evaluator: CompiledEvaluator | LeafEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, where leaves are evaluated one at a time."""
    monkeypatch.setattr(together, "MOST", 1)
    settings = SearchSettings(simulations=200, gumbel_scale=noise, c_puct=c_puct)
    wanted = GumbelSearch(settings, material_evaluator()).run(Games.from_boards([chess.Board(fen)]), seed=3)
    options = RootOptions(simulations=200, temperature=noise, seed=3)
    search = searched(fen, options, 10_000, 13, evaluator, settings)
    looked = search.look(218)
    found = sorted(looked)
    assert search.nodes == 200
    assert [move.move for move in found] == wanted.indices.tolist()
    assert [move.nodes for move in found] == wanted.visits.tolist()
    assert looked[0].move == wanted.moves[0]
    assert sum(move.prior for move in found) == pytest.approx(1, abs=1e-5)
    values = [move.value for move in looked]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("c_puct", [0.0, 1.2])
def test_leaves_evaluated_together(c_puct: float) -> None:
    """The root's visits are shared out alike, and nearly always the same move is found, in far fewer calls; wherever
    the search is looked at, it holds what has been backed up and nothing else."""
    settings = replace(playing(200), c_puct=c_puct)
    games, same = Games(12), 0
    for ply in range(12):
        moves, counts = legal_moves(games.positions)
        games.play(moves[np.arange(12), (7 * np.arange(12) + 3 * ply) % counts])
    wanted = GumbelSearch(settings, material_evaluator()).run(games)
    for game in range(12):
        found = list[list[RootMove]]()
        for slices in (1, 13, 1000):
            leaves = MaterialLeaves()
            search = SingleGumbelSearch(leaves, settings)
            search.begin(games.take([game]), RootOptions(simulations=200))
            while search.run(slices):
                moves_so_far = search.look(218)
                assert sum(move.nodes for move in moves_so_far) == search.nodes
                assert all(-1 <= move.value <= 1 for move in moves_so_far)
            found.append(search.look(218))
            assert (sum(leaves.batches) <= 201, len(leaves.batches) < 60) == (True, True)
        assert found[0] == found[1] == found[2]
        visits = wanted.visits[wanted.offsets[game] : wanted.offsets[game + 1]]
        assert sorted(move.nodes for move in found[0]) == sorted(visits.tolist())
        same += found[0][0].move == wanted.moves[game]
    assert same >= 10


def test_a_mate_ends_the_search_unless_it_is_not_allowed() -> None:
    best = searched(MATE, RootOptions(simulations=100), 100).look(218)
    assert (to_uci(best[0].move, black=False), best[0].mate, best[0].value) == ("h5f7", 1, 1.0)
    assert len(best) == chess.Board(MATE).legal_moves.count()
    allowed = np.array([from_uci("h5e5", black=False)], np.uint16)
    other = searched(MATE, RootOptions(allowed, simulations=100), 100)
    assert (other.nodes, other.look(1)[0].mate) == (100, 0)


@pytest.mark.parametrize("fen", [FENS[2], FENS[3]])
def test_rounds_grow_until_the_memory_is_full(fen: str) -> None:
    """Each is a search of its own, and the last that is worth more counts."""
    search = searched(fen, RootOptions(), 64 + 256 + 30)
    assert sum(move.nodes for move in search.look(218)) == 256
    assert search.run(300)
    assert sum(move.nodes for move in search.look(218)) > 256
    search.resize(1)
    search.begin(Games.from_boards([chess.Board(fen)]), RootOptions())
    while search.run(500):
        pass
    assert search.nodes == 64 + 256 + 1024  # a round of 4,096 does not fit
    assert 0 < search.full <= 1


def test_no_legal_move_and_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="legal move"):
        searched("7k/5Q2/5K2/8/8/8/8/8 b - - 0 1", RootOptions(), 1)
    with pytest.raises(ValueError, match="NaN"):
        searched(FENS[0], RootOptions(), 50, evaluator=MaterialLeaves(spoil_value=np.nan))
