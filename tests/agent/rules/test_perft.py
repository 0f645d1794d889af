"""Perft equals the published counts."""

import pytest

from agent.rules import from_fen, perft
from tests.agent.positions import PERFT, START


@pytest.mark.parametrize("fen", PERFT)
def test_published_counts(fen: str) -> None:
    # The start to depth 6, the others to depth 5: a second or two each.
    assert [perft(from_fen(fen), depth) for depth in range(7 if fen == START else 6)] == [1, *PERFT[fen]]


def test_depth_is_checked() -> None:
    with pytest.raises(ValueError, match="-1"):
        perft(from_fen(START), -1)
