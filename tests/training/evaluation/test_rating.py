"""Ratings: two players have a closed form; several are simulated in `test_ladder.py`."""

import math

import pytest

from training.evaluation.ladder.standings import Pairing, ratings


def test_two_players_get_the_closed_form() -> None:
    found = {r.player: r for r in ratings([Pairing("a", "b", 60, 8, 32)], {"b": 1350.0})}
    score = (64 + 0.5) / 101  # one made-up draw
    assert found["a"].elo == pytest.approx(1350 + 400 * math.log10(score / (1 - score)), abs=1e-6)
    deviation = 400 / math.log(10) / math.sqrt(101 * score * (1 - score))
    assert found["a"].elo_high - found["a"].elo == pytest.approx(1.96 * deviation)
    assert found["b"].elo_low == found["b"].elo_high == 1350


def test_a_player_who_won_everything_is_finite_and_ratings_move_with_their_anchor() -> None:
    best = ratings([Pairing("a", "b", 20, 0, 0)], {"b": 0.0})[0]
    assert best.player == "a"
    assert 500 < best.elo < 2000
    assert best.elo_high - best.elo_low > 500
    pairings = [Pairing("a", "b", 3, 1, 2), Pairing("b", "c", 2, 2, 2)]
    low, high = ratings(pairings, {"c": 0.0}), ratings(pairings, {"c": 1000.0})
    assert [r.elo + 1000 for r in low] == pytest.approx([r.elo for r in high])


def test_unconnected_players_are_refused() -> None:
    with pytest.raises(ValueError, match="no anchor played"):
        ratings([Pairing("a", "b", 1, 0, 0)], {"c": 0.0})
    with pytest.raises(ValueError, match=r"(d|e) has no games"):
        ratings([Pairing("a", "b", 1, 0, 0), Pairing("d", "e", 1, 0, 0)], {"b": 0.0})
