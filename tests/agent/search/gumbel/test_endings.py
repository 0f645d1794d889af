"""What the search must know exactly: mates, stalemates, repetitions, draws by rule."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest

from agent import rules, vocabulary
from agent.rules import Games, Termination
from agent.rules.movegen import ROW
from agent.rules.termination import mating_move
from agent.search import GumbelSearch, SearchResult, SearchSettings, material_evaluator
from agent.search.gumbel.walk import MATES_NEXT
from tests.agent.positions import TRICKY, harvest, shuffled
from tests.agent.rules.oracle import push
from tests.agent.search.evaluators import untrained

MATERIAL = material_evaluator()
MATES = json.loads((Path(__file__).parents[3] / "data" / "search" / "mates.json").read_text())


def searched(*boards: chess.Board, network: Any = MATERIAL, **settings: Any) -> SearchResult:
    """Without noise, all moves considered unless `settings` say otherwise."""
    quiet = SearchSettings(**{"max_considered_actions": 64, "gumbel_scale": 0.0, **settings})
    return GumbelSearch(quiet, network).run(Games.from_boards(boards))


def after(board: chess.Board, move: chess.Move) -> chess.Board:
    below = board.copy(stack=False)
    below.push(move)
    return below


def mating_moves(board: chess.Board) -> set[str]:
    """By python-chess."""
    return {move.uci() for move in board.legal_moves if after(board, move).is_checkmate()}


def test_mating_moves_are_those_of_python_chess() -> None:
    """Also the odd ones: by castling, en passant, promotion, discovered and double check."""
    fens = [*MATES["odd"], *TRICKY, *harvest(15, seed=11), *MATES["one"], *MATES["two"]]
    moves, targets, spare = np.empty(ROW, np.uint16), np.empty(64, np.uint64), np.empty(8, np.uint64)
    mates = 0
    for fen in fens + [chess.Board(fen).mirror().fen() for fen in fens]:
        board = chess.Board(fen)
        position = rules.from_board(board)
        indices, counts = rules.legal_moves(position[None])
        moves[: vocabulary.MAX_LEGAL] = indices[0]
        found, place = set(), np.int64(-1)
        while (place := mating_move(position, moves, counts[0], place + 1, spare, targets)) >= 0:
            found.add(vocabulary.to_uci(int(moves[place]), black=not board.turn))
        assert found == mating_moves(board), fen
        mates += len(found)
    assert mates > 200


def test_mates_in_two_are_found_by_an_untrained_network() -> None:
    boards = [chess.Board(fen) for fen in MATES["two"]]
    assert len(boards) == 100
    assert not any(mating_moves(board) for board in boards)
    result = searched(*boards, network=untrained(), simulations=800, max_considered_actions=48)
    solved = 0
    for board, move in zip(boards, result.moves.tolist(), strict=True):
        push(board, move)
        solved += all(mating_moves(after(board, reply)) for reply in board.legal_moves) and not board.is_game_over()
    assert solved >= 90


@pytest.mark.parametrize(
    ("board", "ends"),
    [
        (shuffled(1), {Termination.THREEFOLD_REPETITION: 5}),  # the first two in the game or in the line
        (shuffled(2), {Termination.THREEFOLD_REPETITION: 5, Termination.STALEMATE: 1}),
        (chess.Board("8/8/8/8/8/k7/p1K5/8 b - - 96 90"), {Termination.FIFTY_MOVES: 1}),
        (chess.Board("r3k2r/pb4bp/8/8/8/8/PB4BP/R3K2R w KQkq - 0 1"), {}),
        (chess.Board("7k/8/8/8/8/8/2Q5/K7 w - - 99 80"), {Termination.FIFTY_MOVES: 3}),
        (chess.Board("8/8/8/8/8/8/k3pK2/8 w - - 0 1"), {Termination.INSUFFICIENT_MATERIAL: 1}),
    ],
)
def test_every_node_is_what_python_chess_says(board: chess.Board, ends: dict[Termination, int]) -> None:
    """Positions with repetitions, ends of games and mates in one, all through the tree; `ends` are met so often."""
    search = GumbelSearch(SearchSettings(simulations=1500, max_considered_actions=3, c_scale=0.01), MATERIAL)
    search.run(Games.from_boards([board]), seed=2)
    positions, nodes, edges, _, state = (array[0] for array in search._trees)
    seen = Counter[int]()

    def check(node: int) -> None:
        record, position = nodes[node], positions[node]
        np.testing.assert_array_equal(position, rules.from_board(board), board.fen())
        code = int(rules.outcome(position[None], claim_draws=True)[0])
        seen[code] += 1
        if code and node:  # the root is searched although it could be claimed as a draw
            assert (record["exact"], record["count"]) == (code, 0)
            assert record["value"] == (-1 if code == Termination.CHECKMATE else 0)
        else:
            mates = mating_moves(board)
            assert record["exact"] == (MATES_NEXT if mates else 0)
            assert not mates or vocabulary.to_uci(int(record["answer"]), black=not board.turn) in mates
        for edge in edges[record["first"] : record["first"] + record["count"]]:
            if edge["child"] >= 0:
                push(board, edge["action"])
                check(int(edge["child"]))
                board.pop()

    check(0)
    assert seen.total() == state[0]["nodes"]
    assert all(seen[end] >= least for end, least in ends.items())
