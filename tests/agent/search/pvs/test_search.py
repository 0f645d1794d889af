"""The search as a whole: determinism, lines, draws, mates, and what it refuses. With material, and with the network."""

import random
from typing import Any, cast

import chess
import numpy as np
import pytest

from agent import vocabulary
from agent.compilation import njit
from agent.networks.bundled import find_weights
from agent.networks.contract import CompiledEvaluator
from agent.rules import Games
from agent.rules.batch import material_of
from agent.search import material_evaluator
from agent.search.compiled import evaluate_material
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootMove, RootOptions
from tests.agent.positions import PERFT, TRICKY, harvest, shuffled
from tests.agent.rules.oracle import after
from tests.agent.search.pvs.test_fuzz import scattered
from tests.tables import table
from training.evaluation.conversion import KingPlayer

MATERIAL, NETWORK = material_evaluator(), cast(CompiledEvaluator, find_weights().weights.for_search())
PLAYABLE = [fen for fen in (*PERFT, *TRICKY) if any(chess.Board(fen).legal_moves)]
HALF_LOST = ("8/P2pK3/2k5/Q3pN2/n7/8/1p2P1p1/8 b - - 0 1", "2k5/1p3r2/4pnp1/p1P1r3/2P4P/1b3pPK/8/1q6 w - - 1 29")
"""Most moves are mated at once."""
MATE_IN_THREE = "r5rk/5p1p/5R2/4B3/8/8/7P/7K w - - 0 1"


def searched(
    board: chess.Board, *slices: int, network: CompiledEvaluator = MATERIAL, most: int = 1, **options: Any
) -> list[RootMove]:
    """The root's moves after a search from empty memory."""
    search = PrincipalVariationSearch(network, megabytes=1)
    search.begin(Games.from_boards([board]), RootOptions(**options))
    assert search.nodes == 0
    for nodes in slices:
        before, more = search.nodes, search.run(nodes)
        assert search.nodes == before + nodes or not more
    return search.look(most)


def uci(board: chess.Board, found: RootMove) -> str:
    return vocabulary.to_uci(found.move, black=not board.turn)


def index(board: chess.Board, move: str) -> int:
    return vocabulary.from_uci(move, black=not board.turn)


@pytest.mark.parametrize("network", [MATERIAL, NETWORK], ids=["material", "network"])
@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("fen", [*PLAYABLE[5:8], "8/8/8/8/8/k7/p1K5/8 b - - 96 90", MATE_IN_THREE])
def test_nodes_alone_decide(fen: str, lines: int, network: CompiledEvaluator) -> None:
    """However the slices are cut, and in memory that another search left once it is emptied."""
    board, used = chess.Board(fen), PrincipalVariationSearch(network, megabytes=2)
    for nodes in (214, 606, 1403):
        cuts = [[nodes], [200, nodes - 200], [7] * (nodes // 7) + [nodes % 7], [1] * nodes]
        one, *others = (searched(board, *cut, network=network, most=99, lines=lines) for cut in cuts)
        for position in (chess.Board(), board):
            used.resize(1)
            used.begin(Games.from_boards([position]), RootOptions(lines=lines))
            used.run(nodes)
        assert [used.look(99), *others] == [one] * 4


@pytest.mark.parametrize("network", [MATERIAL, NETWORK], ids=["material", "network"])
@pytest.mark.parametrize("mate", [False, True])
def test_what_is_said_about_the_moves(network: CompiledEvaluator, mate: bool) -> None:
    """Every move once, in lines that are legal, with values that never rise, whatever was searched by then."""
    rng = np.random.default_rng(3)
    asked = [(fen, *rng.integers((0, 1), (1500, 5)).tolist()) for fen in (*PLAYABLE, *harvest(10, seed=33))]
    asked += [(fen, nodes, lines) for fen in HALF_LOST for nodes in range(20, 800, 99) for lines in (1, 3)]
    for fen, nodes, lines in asked:
        board = chess.Board(fen)
        found = searched(board, nodes, network=network, most=999, lines=lines, mate=mate)
        assert sorted(uci(board, move) for move in found) == sorted(move.uci() for move in board.legal_moves)
        assert sum(move.prior for move in found) == pytest.approx(1)
        assert sum(move.nodes for move in found) <= nodes
        values = [move.value for move in found]
        assert values == sorted(values, reverse=True)
        for move in found:
            assert move.line[0] == move.move
            end = after(board, move.line)
            assert not move.mate or move.value == np.sign(move.mate)
            if move.mate in (1, -2):
                assert minimax(after(board, move.line[:1]), 1) == (-1000 if move.mate == 1 else 999)
            assert len(move.line) != abs(move.mate) or end.is_checkmate()


def test_only_the_allowed_moves_are_searched() -> None:
    board = chess.Board()
    for wanted in (["a2a3"], ["h2h4", "b1a3"]):
        allowed = np.array([index(board, move) for move in [*wanted, "a7a6"]], np.uint16)
        assert {uci(board, move) for move in searched(board, 700, most=9, allowed=allowed, lines=2)} == set(wanted)
    for allowed in (np.array([index(board, "e2e5")], np.uint16), np.zeros(0, np.uint16)):
        assert len(searched(board, 100, most=99, allowed=allowed)) == 20


@pytest.mark.parametrize("network", [MATERIAL, NETWORK], ids=["material", "network"])
@pytest.mark.parametrize(
    ("board", "move", "drawn"),
    [
        (shuffled(2), "a1a2", True),  # for the third time
        (shuffled(1), "a1a2", True),  # for the second: repeating wins nothing
        (chess.Board(shuffled(2).fen()), "a1a2", False),  # without history
        *((chess.Board(fen), move, worth == "drawn") for fen, move, worth in table("draws")),
    ],
)
def test_draws_are_worth_nothing(network: CompiledEvaluator, board: chess.Board, move: str, drawn: bool) -> None:
    allowed = np.array([index(board, move)], np.uint16)
    value = searched(board, 6000, network=network, allowed=allowed)[0].value
    assert value == 0 if drawn else value > 0.3


def test_mate_beats_the_clock_and_repetition_saves() -> None:
    mate = searched(chess.Board("7k/Q7/6K1/8/8/8/8/8 w - - 99 80"), 100)[0]
    assert (mate.mate, mate.value) == (1, 1.0)
    lost = shuffled(2)
    lost.pop()
    assert uci(lost, searched(lost, 500)[0]) == "g8h8"
    assert searched(lost, 500)[0].value == 0


@pytest.mark.parametrize("fen", ["8/8/3k4/8/8/8/8/K1B2B2 w - - 0 1", "8/8/2k5/8/4K3/8/4BB2/8 w - - 0 1"])
def test_the_winning_side_stands_nowhere_twice(fen: str) -> None:
    """Two bishops against a king that stays near the centre: not one of 30 moves may lead back."""
    search, board = PrincipalVariationSearch(NETWORK, megabytes=1), chess.Board(fen)
    defender = KingPlayer(0)
    while len(board.move_stack) < 60 and not board.is_game_over():
        games = Games.from_boards([board])
        if board.turn:
            search.begin(games, RootOptions())
            search.run(2000)
            board = after(board, search.look(1)[0].line[:1])
            assert not board.is_repetition(2)
        else:
            board = after(board, (int(defender.choose(games).moves[0]),))


def minimax(board: chess.Board, plies: int) -> int:
    """1000 - k: the side to move mates in k of so many plies, k - 1000: it is mated, 0: neither."""
    if plies == 0 or not any(board.legal_moves):
        return -1000 if board.is_checkmate() else 0
    best = -1000
    for move in board.legal_moves:
        board.push(move)
        best = max(best, -minimax(board, plies - 1))
        board.pop()
    return best - int(np.sign(best))


def test_a_full_width_search_knows_every_mate_within_its_depth() -> None:
    """Of every move at the root, in small endgames."""
    chance, proven = random.Random(36), list[int]()
    search = PrincipalVariationSearch(MATERIAL, megabytes=1)
    while len(proven) < 250:
        board = scattered(chance, chance.choice(["KkQR", "KkQp", "KkRR", "KkQbP"]))
        edge = chess.BB_BACKRANKS | chess.BB_FILE_A | chess.BB_FILE_H
        if not board.is_valid() or not board.kings & board.occupied_co[False] & edge or not any(board.legal_moves):
            continue
        search.begin(Games.from_boards([board]), RootOptions(lines=99, mate=True))
        while search.depth < 3 and search.run(50):
            pass
        for found in search.look(99):
            board.push_uci(uci(board, found))
            score = -minimax(board, 2)
            board.pop()
            expected = int(np.sign(score)) * (1001 - abs(score)) if score else 0
            assert expected == (found.mate if abs(found.mate) <= 3 else 0), (board.fen(), uci(board, found))
            proven += [expected] if expected else []
    assert {-2, 1, 3} == set(proven)


def test_odd_games() -> None:
    """One legal move, 218 moves, and more history than the search keeps."""
    single = chess.Board("7k/8/8/8/8/8/r7/7K w - - 0 1")
    assert uci(single, searched(single, 300, lines=5)[0]) == "h1g1"
    assert len(searched(chess.Board(TRICKY[-2]), 1000, lines=300, most=300)) == 218
    long = chess.Board()
    for move in ("g1f3", "g8f6", "f3g1", "f6g8") * 270:
        long.push_uci(move)
    for found in searched(long, 500, network=NETWORK, lines=3, most=3):
        assert after(long, found.line)
    with pytest.raises(ValueError, match="without a legal move"):
        searched(chess.Board("7k/6Q1/6K1/8/8/8/8/8 b - - 0 1"))


@njit
def evaluate_spoilt(position: Any, moves: Any, count: Any, spoilt: Any, scratch: Any, logits: Any) -> np.float32:
    """Material; but where its balance is spoilt[0], the value is spoilt[1] and the first logit spoilt[2]."""
    value = evaluate_material(position, moves, count, 0, 0, logits)
    if material_of(position) == spoilt[0]:
        value = np.float32(spoilt[1])
        if count:
            logits[0] = spoilt[2]
    return value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.5])
def test_a_network_without_a_number_is_refused(value: float) -> None:
    games, spoilt = Games.from_boards([chess.Board("3qk3/8/8/8/8/8/8/3QK3 w - - 0 1")]), np.zeros(3)
    search = PrincipalVariationSearch(CompiledEvaluator(evaluate_spoilt, spoilt, 0), megabytes=1)
    for at_the_root in ((0, value, 0), *([] if value == 1.5 else [(0, 0, value)])):
        spoilt[:] = at_the_root
        with pytest.raises(ValueError, match="NaN"):
            search.begin(games, RootOptions())
    spoilt[:] = 9, value, 0  # a queen is taken
    search.begin(games, RootOptions())
    with pytest.raises(ValueError, match="NaN"):
        search.run(100)
    spoilt[:] = 0
    search.begin(games, RootOptions())
    assert search.run(100)
