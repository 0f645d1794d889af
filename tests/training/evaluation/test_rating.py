"""Ratings: two players have a closed form; several are compared with a search of the likelihood."""

import math

import numpy as np
import pytest

from training.evaluation.ladder.standings import Pairing, ratings


def test_two_players_get_the_closed_form() -> None:
    found = {r.player: r for r in ratings([Pairing("a", "b", 60, 8, 32)], {"b": 1350.0})}
    score = (64 + 0.5) / 101  # one made-up draw
    assert found["a"].elo == pytest.approx(1350 + 400 * math.log10(score / (1 - score)), abs=1e-6)
    deviation = 400 / math.log(10) / math.sqrt(101 * score * (1 - score))
    assert found["a"].elo_high - found["a"].elo == pytest.approx(1.96 * deviation)
    assert found["b"].elo_low == found["b"].elo_high == 1350


def test_ratings_of_several_players_maximise_the_likelihood() -> None:
    pairings = [
        Pairing("a", "b", 10, 4, 6),
        Pairing("b", "c", 12, 3, 5),
        Pairing("a", "c", 15, 2, 3),
        Pairing("c", "d", 9, 0, 11),
        Pairing("d", "zero", 13, 2, 5),
    ]
    found = {r.player: r.elo for r in ratings(pairings, {"zero": 0.0})}

    def likelihood(elo: dict[str, float]) -> float:
        total = 0.0
        for p in pairings:
            expected = 1 / (1 + 10 ** ((elo[p.second] - elo[p.first]) / 400))
            score = p.wins + p.draws / 2 + 0.005 * p.games
            total += score * math.log(expected) + (1.01 * p.games - score) * math.log(1 - expected)
        return total

    best = likelihood(found)
    rng = np.random.default_rng(0)
    for _ in range(300):
        moved = {name: elo + (rng.normal(0, 5) if name != "zero" else 0.0) for name, elo in found.items()}
        assert likelihood(moved) < best


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
