"""Searching in two halves, one of which waits while the other walks: same results, and they do take turns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.networks.contract import LegalEvaluation
from agent.rules import Games
from agent.search import GumbelSearch, SearchResult, SearchSettings
from tests.agent.search.evaluators import MaterialLeaves
from tests.agent.search.gumbel.test_search import FENS, assert_same, games

SETTINGS = SearchSettings(simulations=20)


class Later(MaterialLeaves):
    """Answers when listened to; the arrays it was given have changed by then."""

    overlaps = True

    def __init__(self, **spoil: Any) -> None:
        super().__init__(**spoil)
        self.events: list[str] = []

    def ask_legal(self, positions: Any, moves: Any, counts: Any) -> Callable[[], LegalEvaluation]:
        self.events.append("ask")
        copies = positions.copy(), moves.copy(), counts.copy()

        def wait() -> LegalEvaluation:
            self.events.append("wait")
            return self.evaluate_legal(*copies)

        return wait


def searched(network: Any, count: int) -> SearchResult:
    return GumbelSearch(SETTINGS, network).run(games(FENS[:count]), np.arange(count), seed=3)


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_halves_find_what_the_whole_finds(count: int) -> None:
    """To the bit; among the games is one that mates at once and asks for nothing."""
    assert_same(searched(Later(), count), searched(MaterialLeaves(), count))


def test_memory_kept_from_a_larger_search_does_no_harm() -> None:
    search = GumbelSearch(SETTINGS, Later())
    search.run(games(), np.arange(12), seed=1)
    assert_same(search.run(games(FENS[:5]), np.arange(5), seed=3), searched(MaterialLeaves(), 5))


def test_one_half_is_under_way_while_the_other_walks() -> None:
    network = Later()
    GumbelSearch(SETTINGS, network).run(Games(6), np.arange(6))
    assert network.events[:5] == ["ask", "ask", "wait", "ask", "wait"]
    under_way = np.cumsum([1 if event == "ask" else -1 for event in network.events])
    assert under_way.max() == 2
    assert (under_way[:-3] >= 1).all()
    assert under_way[-1] == 0


def test_who_does_not_overlap_is_asked_as_a_whole() -> None:
    network = Later()
    network.overlaps = False
    GumbelSearch(SETTINGS, network).run(Games(6))
    assert network.events[:4] == ["ask", "wait", "ask", "wait"]
    assert network.batches[0] == 6


def test_an_answer_that_is_no_number_is_blamed_on_its_game() -> None:
    """The third batch is the first half's second: its last game is number 5."""
    for network, blamed in ((Later, 5), (MaterialLeaves, 11)):
        with pytest.raises(ValueError, match=f"a position of game {blamed} is NaN"):
            searched(network(spoil_value=np.nan), 12)
