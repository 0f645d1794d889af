"""Mates are found: 500 in exactly two moves, 200 in exactly three, as exhaustive search proved when collecting them."""

from pathlib import Path

import chess
import pytest

from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Line
from agent.engine.thinker import Thinker
from agent.networks.bundled import find_weights

ROWS = (Path(__file__).parents[3] / "data" / "search" / "deep_mates.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def thinker() -> Thinker:
    return Thinker(find_weights().weights.for_search(), megabytes=16)


def end_of(board: chess.Board, line: Line) -> chess.Board:
    after = board.copy()
    for move in line.moves:
        after.push_uci(move.uci())
    return after


@pytest.mark.slow
@pytest.mark.parametrize(("moves", "number", "nodes", "least"), [(2, 500, 50_000, 500), (3, 200, 500_000, 190)])
def test_mates_are_found_at_their_distance(thinker: Thinker, moves: int, number: int, nodes: int, least: int) -> None:
    """In lines that end in mate, or are the beginning of one."""
    boards = [chess.Board(fen) for count, _, fen in (row.partition(" ") for row in ROWS) if int(count) == moves]
    assert len({board.board_fen() for board in boards}) == number
    found = 0
    for board in boards:
        report = thinker.think(board, Limits(mate=moves, nodes=nodes))
        assert report.nodes <= nodes
        assert report.best.mate_in in (None, moves)
        if report.best.mate_in:
            after, plies = end_of(board, report.best), len(report.best.moves)
            assert after.is_checkmate() if plies == 2 * moves - 1 else plies < 2 * moves - 1
            found += 1
    assert found >= least


@pytest.mark.parametrize(
    ("fen", "limits", "move", "mate"),
    [
        ("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", Limits(mate=2, nodes=1000), "a1a6", 2),
        ("4kb1N/1bpp1n2/1pr4p/pN1P2pQ/8/8/PPP2PPP/R1B1K2R w KQ - 3 19", Limits(nodes=20_000), "h5f7", 2),
    ],
)
def test_short_searches_see_mates(thinker: Thinker, fen: str, limits: Limits, move: str, mate: int) -> None:
    board = chess.Board(fen)
    best = thinker.think(board, limits).best
    assert (best.move.uci(), best.mate_in) == (move, mate)
    assert end_of(board, best).is_checkmate()


def test_a_reply_that_is_mated_is_not_expected(thinker: Thinker) -> None:
    """The policy is sure that the knight is taken, and Qh5 mates; several other replies are about as good."""
    board = chess.Board("r1bqkbnr/ppppp2p/n4p2/8/4P3/P4N2/1PPP1PPP/RNBQKB1R w KQkq - 0 4")
    best = thinker.think(board, Limits(nodes=800, moves=("f3g5",)), ThinkOptions(fresh=True)).best
    assert best.move.uci() == "f3g5"
    assert best.moves[1].uci() in ("e7e6", "e7e5", "h7h5", "d7d6", "d7d5")
    assert best.mate == 0
