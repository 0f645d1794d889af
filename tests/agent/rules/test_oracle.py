"""The rules agree with python-chess: on games and on trees below tricky positions; and with the published perft
counts."""

import chess
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import rules, vocabulary
from agent.rules import Games, Termination
from tests.agent.positions import PERFT, START, TRICKY, harvest
from tests.agent.rules.oracle import STYLES, differences, game_differences, tree_differences

REPETITIONS = {Termination.NONE, Termination.FIVEFOLD_REPETITION, Termination.THREEFOLD_REPETITION}
ENDS = {Termination.NONE, Termination.CHECKMATE, Termination.STALEMATE, Termination.INSUFFICIENT_MATERIAL}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("least", "seed"), [(4_000, 1), pytest.param(70_000, 2, marks=pytest.mark.slow)])
def test_games(style: str, least: int, seed: int) -> None:
    compared, seen, found = game_differences(least, style, seed)
    assert not found
    assert compared >= least
    if style == "shuffles" or seed == 2:
        assert (REPETITIONS if style == "shuffles" else ENDS) <= seen


@pytest.mark.parametrize("fen", TRICKY)
@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_tricky_trees(fen: str, depth: int) -> None:
    assert (depth == 2 and fen in TRICKY[-2:]) or tree_differences(fen, depth)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_five_hundred_tricky_trees_to_depth_3(part: int) -> None:
    compared, found = zip(*(tree_differences(fen, 3) for fen in harvest(100, seed=part)), strict=True)
    assert not any(found)
    assert sum(compared) > 100_000


@pytest.mark.parametrize("fen", TRICKY)
def test_every_from_to_pair_is_judged_alike(fen: str) -> None:
    # is_legal shares no pins and no answers to checks with the generator.
    position = rules.from_fen(fen)[None]
    indices, counts = rules.legal_moves(position)
    legal = rules.is_legal(np.repeat(position, vocabulary.SIZE, axis=0), np.arange(vocabulary.SIZE))
    assert np.flatnonzero(legal).tolist() == indices[0, : counts[0]].tolist()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([START, *list(PERFT)[1:], *TRICKY]), st.lists(st.integers(0, 217), max_size=80))
def test_any_line_of_play(fen: str, choices: list[int]) -> None:
    # Only the last position is compared, so that a failure shrinks to one position and the line to it.
    board, games = chess.Board(fen), Games.from_boards([chess.Board(fen)])
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        move = moves[choice % len(moves)]
        games.play([vocabulary.from_uci(move.uci(), black=not board.turn)])
        board.push(move)
    assert differences([board], games.positions) == []
    assert rules.from_board(board).tolist() == games.positions[0].tolist()


@pytest.mark.parametrize("fen", PERFT)
def test_published_perft_counts(fen: str) -> None:
    # The start to depth 6, the others to depth 5: a second or two each.
    assert [rules.perft(rules.from_fen(fen), depth) for depth in range(7 if fen == START else 6)] == [1, *PERFT[fen]]


def test_the_depth_of_perft_is_checked() -> None:
    with pytest.raises(ValueError, match="-1"):
        rules.perft(rules.from_fen(START), -1)
