"""UCI's words by themselves: positions that are read, scores and lines that are written."""

import random

import chess
import numpy as np
import pytest

from agent.engine.report import Line, Report, centipawns
from agent.errors import InputError
from agent.uci.words import bestmove, info_lines, read_position
from tests.tables import table

E4, E5 = chess.Move.from_uci("e2e4"), chess.Move.from_uci("e7e5")


def test_positions_are_read() -> None:
    assert read_position("startpos") == chess.Board()
    board = read_position("fen 4k3/8/8/8/8/8/8/4K2R w K - 3 9 moves e1g1 e8d8")
    assert board.fen() == "3k4/8/8/8/8/8/8/5RK1 w - - 5 10"
    assert len(board.move_stack) == 2  # history for repetition
    # Castling as king takes rook, which some programs send.
    assert read_position("fen 4k3/8/8/8/8/8/8/4K2R w K - 3 9 moves e1h1").piece_at(chess.G1) is not None


@pytest.mark.parametrize("start", ["startpos", "fen r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"])
def test_a_position_that_goes_on_is_the_one_read_as_a_whole(start: str) -> None:
    rng, board, before, known = random.Random(1), read_position(start), start, read_position(start)
    while len(board.move_stack) < 60 and not board.is_game_over():
        for _ in range(rng.randint(1, 3)):
            if any(board.legal_moves):
                board.push(rng.choice(list(board.legal_moves)))
        said = " ".join([start, "moves", *map(chess.Move.uci, board.move_stack)])
        kept, length = known, len(known.move_stack)
        known = read_position(said, before, known)
        assert (known, known.move_stack, known.root()) == (board, board.move_stack, board.root())
        assert len(kept.move_stack) == length  # a search may still read the one before
        before = said
    for other in (f"{start} moves", f"{before[:-1]}", f"{start} moves e1e2"):  # do not go on from it
        answers = []
        for more in ((), (before, known)):
            try:
                answers.append(read_position(other, *more).fen())
            except InputError as error:
                answers.append(str(error))
        assert answers[0] == answers[1]
    with pytest.raises(InputError, match=rf"move {len(board.move_stack) + 1} 'a1a1' is not legal"):
        read_position(f"{before} a1a1", before, known)


def test_centipawns_invert_the_curve_of_lichess() -> None:
    scores = [-0.9, -0.3, 0.0, 0.01, 0.5, 0.99]
    assert [np.tanh(0.00368208 / 2 * centipawns(score)) for score in scores] == pytest.approx(scores, abs=0.001)
    assert [centipawns(score) for score in (-1.0, 1.0, 0.0)] == [-2000, 2000, 0]


@pytest.mark.parametrize(("mate", "score"), table("uci_scores"))
def test_score(mate: str, score: str) -> None:
    report = Report((Line((E4, E5), 0.0, 0.1, 30, 0.5, int(mate)),), 1000, 0.5, 3.9, 7, 0.25)
    wanted = f"info depth 3 seldepth 7 multipv 1 score {score} nodes 1000 nps 2000 hashfull 250 time 500 pv e2e4 e7e5"
    assert info_lines(report, show_wdl=True) == [wanted]
    assert bestmove(report) == "bestmove e2e4 ponder e7e5"


def test_win_draw_loss_sums_to_a_thousand_and_says_the_score() -> None:
    chance = np.random.default_rng(0)
    for score, draws in zip(chance.uniform(-1, 1, 2000).tolist(), chance.uniform(0, 1, 2000).tolist(), strict=True):
        win, draw, loss = Line((E4,), score, 0.1, 30, draws, 0).wdl or (0, 0, 0)
        assert win + draw + loss == 1000
        assert min(win, draw, loss) >= 0
        assert (win - loss) / 1000 == pytest.approx(score, abs=0.0021)
    assert Line((E4,), 0.5, 0.1, 30, None, 0).wdl is None
