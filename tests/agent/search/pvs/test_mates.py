"""Mates are found: 500 in exactly two moves, 200 in exactly three, as exhaustive search proved when collecting them."""

from pathlib import Path

import chess
import pytest

from agent.engine.limits import Limits, ThinkOptions
from agent.engine.thinker import Thinker
from agent.networks.bundled import find_weights

ROWS = (Path(__file__).parents[3] / "data" / "search" / "deep_mates.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def thinker() -> Thinker:
    return Thinker(find_weights().weights.for_search(), megabytes=16)


@pytest.mark.parametrize(
    ("moves", "number", "limits", "least"),
    [
        (2, 20, Limits(mate=2, nodes=20_000), 20),
        pytest.param(2, 500, Limits(mate=2, nodes=50_000), 500, marks=pytest.mark.slow),
        pytest.param(3, 200, Limits(mate=3, nodes=500_000), 190, marks=pytest.mark.slow),
    ],
)
def test_mates_are_found_at_their_distance(
    thinker: Thinker, moves: int, number: int, limits: Limits, least: int
) -> None:
    """In lines that end in mate, or are the beginning of one."""
    fens = [fen for count, _, fen in (row.partition(" ") for row in ROWS) if int(count) == moves][:number]
    assert len({fen.partition(" ")[0] for fen in fens}) == number
    found = 0
    for board in map(chess.Board, fens):
        report = thinker.think(board, limits)
        assert report.nodes <= (limits.nodes or 0)
        assert report.best.mate_in in (None, moves)
        if report.best.mate_in:
            plies = len(report.best.moves)
            for move in report.best.moves:
                board.push_uci(move.uci())
            assert board.is_checkmate() if plies == 2 * moves - 1 else plies < 2 * moves - 1
            found += 1
    assert found >= least


def test_a_reply_that_is_mated_is_not_expected(thinker: Thinker) -> None:
    """The policy is sure that the knight is taken, and Qh5 mates; several other replies are about as good."""
    board = chess.Board("r1bqkbnr/ppppp2p/n4p2/8/4P3/P4N2/1PPP1PPP/RNBQKB1R w KQkq - 0 4")
    best = thinker.think(board, Limits(nodes=800, moves=("f3g5",)), ThinkOptions(fresh=True)).best
    assert best.move.uci() == "f3g5"
    assert best.moves[1].uci() in ("e7e6", "e7e5", "h7h5", "d7d6", "d7d5")
    assert best.mate == 0
