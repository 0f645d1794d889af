"""The vocabulary holds every legal move once, for both colours, and converts both ways."""

import chess
import numpy as np
import pytest

from agent import vocabulary
from tests.agent.positions import PERFT, START
from tests.agent.rules.oracle import tree_differences

TRICKY_FIVE = (
    *[*PERFT][1:4],  # castling on both sides; en passant; all of them
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 0 1",  # castling by Black
    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",  # promotions, both colours
)


@pytest.mark.parametrize("fen", [START, *TRICKY_FIVE])
@pytest.mark.parametrize("more", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_all_positions_below(fen: str, more: int) -> None:
    """By python-chess, index to move and back."""
    assert tree_differences(fen, more + (3 if fen == START else 2))[1] == []


def test_tables() -> None:
    assert vocabulary.SIZE == 1880 == len(vocabulary.FROM) == len(vocabulary.TO) == len(vocabulary.PROMOTION)
    assert vocabulary.LEGAL_WORDS == 59
    plain = vocabulary.PROMOTION < 0
    assert plain.sum() == vocabulary.PLAIN == 1792
    assert plain[: vocabulary.PLAIN].all()
    numbers = np.arange(vocabulary.SIZE)
    assert (vocabulary.INDEX[vocabulary.FROM, vocabulary.TO][plain] == numbers[plain]).all()
    queens = vocabulary.PROMOTION_INDEX[vocabulary.FROM, vocabulary.TO][~plain]
    assert (queens + vocabulary.PROMOTION[~plain] == numbers[~plain]).all()
    for black in (False, True):
        strings = [vocabulary.to_uci(index, black=black) for index in range(vocabulary.SIZE)]
        assert len(set(strings)) == vocabulary.SIZE
        assert [vocabulary.from_uci(uci, black=black) for uci in strings] == list(range(vocabulary.SIZE))
        assert all(chess.Move.from_uci(uci).uci() == uci for uci in strings)


@pytest.mark.parametrize("index", [-1, 1880])
def test_an_index_outside_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=str(index)):
        vocabulary.to_uci(index, black=False)


@pytest.mark.parametrize(
    ("uci", "black"), [("a1b4", False), ("a7a8q", True), ("a2a1q", False), ("e2e4x", False), ("", True)]
)
def test_an_impossible_move_is_refused(uci: str, black: bool) -> None:
    with pytest.raises(ValueError, match=repr(uci)):
        vocabulary.from_uci(uci, black=black)
