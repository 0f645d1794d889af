"""The sequential test: its ratio against a search of the likelihood, its error rates in simulated matches. Ratings: two
players have a closed form; several are compared with a search of the likelihood."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.errors import InputError
from agent.players.player import GreedyPlayer, RandomPlayer
from tests.tables import table
from tests.training.evaluation.test_match_runner import interrupt_after
from training.evaluation.ladder.standings import Pairing, ratings
from training.evaluation.match import PART, play_match
from training.evaluation.match_runner import ConcurrentPlayers, Hooks, MatchInterrupt
from training.evaluation.openings import Openings
from training.evaluation.sprt import BOUNDS, SCORES, Sprt, pairs_of, read_sprt


def score_of(elo: float) -> float:
    return 1 / (1 + 10 ** (-elo / 400))


def most_likely(counts: NDArray[np.float64], mean: float) -> float:
    """Largest log-likelihood of `counts` over distributions with expectation `mean`, by a plain climb."""
    # Two weights out of five follow from the sum and the mean; the climb moves along the other three directions.
    free = np.linalg.svd(np.stack([np.ones(5), SCORES]))[2][2:]
    level = np.array([(1 - mean) ** (4 - k) * mean**k * math.comb(4, k) for k in range(5)])  # binomial: has the mean
    best, size = float((counts * np.log(level)).sum()), 0.1
    while size > 1e-8:
        tried = level + np.concatenate([size * free, -size * free])
        values = [float((counts * np.log(one)).sum()) if one.min() > 0 else -math.inf for one in tried]
        if max(values) > best:
            best, level = max(values), tried[int(np.argmax(values))]
        else:
            size /= 2
    return best


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((10, 20, 30, 25, 15), -30, 70),
        ((2, 1, 14, 9, 6), -30, 70),
        ((1, 5, 3, 40, 90), -30, 70),
        ((9, 23, 40, 24, 10), 0, 5),
    ],
)
def test_the_ratio_is_that_of_the_largest_likelihoods(counts: tuple[int, ...], low: float, high: float) -> None:
    one, other = (most_likely(np.array(counts, np.float64), score_of(elo)) for elo in (high, low))
    assert float(Sprt(low, high).ratio(np.array(counts))) == pytest.approx(one - other, abs=1e-4)


def simulate(test: Sprt, elo: float, draws: float, *, matches: int, seed: int) -> tuple[float, float, float]:
    """Share of elo1, share of elo0, and mean games of `matches` played to the end in parts of 4 pairs."""
    rng = np.random.default_rng(seed)
    wins = score_of(elo) - draws / 2
    pairs, verdicts = np.zeros((matches, 5), np.int64), np.zeros(matches)
    open_, games = np.arange(matches), 0
    while len(open_):
        scores = rng.choice([2, 1, 0], p=[wins, draws, 1 - wins - draws], size=(len(open_), 4, 2)).sum(-1)
        for score in range(5):
            pairs[open_, score] += (scores == score).sum(1)
        games += 8 * len(open_)
        ratio = test.ratio(pairs[open_])
        verdicts[open_] = np.where(ratio >= BOUNDS[1], 1, np.where(ratio <= BOUNDS[0], -1, 0))
        open_ = open_[verdicts[open_] == 0]
    return float((verdicts > 0).mean()), float((verdicts < 0).mean()), games / matches


@pytest.mark.parametrize(("elo0", "elo1", "draws"), [(0, 50, 0.1), (0, 50, 0.5), (-40, 40, 0.3)])
def test_error_rates_of_simulated_matches(elo0: float, elo1: float, draws: float) -> None:
    """1,000 matches: with rates of 5 % all but one in 10,000 such tests counts no more than 77 errors."""
    test = Sprt(elo0, elo1)
    wrong, right, games = simulate(test, elo0, draws, matches=1000, seed=1)
    assert wrong + right == 1
    assert 0.01 < wrong < 0.077
    right, wrong, games = simulate(test, elo1, draws, matches=1000, seed=2)
    assert 0.01 < wrong < 0.077
    # A match of fixed length with these error rates needs (1.645 * 2)^2 variances over the square of the difference.
    variance = (score_of(0) - draws / 4) - 0.25
    fixed = (2 * 1.645) ** 2 * variance / (score_of(elo1) - score_of(elo0)) ** 2
    assert games < 0.8 * fixed
    # Far from both, the test ends early with the right verdict.
    right, _, shorter = simulate(test, elo1 + 150, min(draws, 0.3), matches=200, seed=3)
    assert right == 1
    assert shorter < games / 2


def test_pairs_are_counted_by_score() -> None:
    assert pytest.approx((-math.log(19), math.log(19))) == BOUNDS
    points = np.array([1, 1, 1, 0, 0, 0, 1, -1, -1, 0, -1, -1, 1], np.int8)  # the last has no partner
    assert pairs_of(points).tolist() == [1, 1, 2, 1, 1]


def test_a_match_ends_when_it_is_decided() -> None:
    played: list[int] = []
    test, one, other = Sprt(0, 100), GreedyPlayer(1), RandomPlayer(2)
    found = play_match(one, other, Openings(1, 4), sprt=test, games=400, hooks=Hooks(played.append))
    assert (test.verdict(found.pairs), found.illegal_moves) == ("elo1", 0)
    assert found.games in range(PART, 200, PART)
    assert 2 * sum(found.pairs) == found.games == sum(played) == found.wins + found.draws + found.losses
    assert f"decided after {found.games} games: yes to +100 Elo rather than +0" in test.sentence(found.pairs)
    lost = play_match(other, one, Openings(1, 4), sprt=test, games=400)
    assert (test.verdict(lost.pairs), lost.illegal_moves) == ("elo0", 0)
    assert lost.score < 0.25 < 0.75 < found.score


def test_a_match_too_short_to_be_decided_says_so() -> None:
    test = Sprt(-5, 5)
    found = play_match(RandomPlayer(1), RandomPlayer(2), Openings(1), sprt=test, games=11, ply_cap=60)
    assert (found.games, test.to_json(found.pairs)["verdict"]) == (10, "undecided")
    assert "not decided whether +5 Elo rather than -5: too few games" in test.sentence(found.pairs)


def test_ctrl_c_keeps_the_games_of_earlier_parts() -> None:
    players, hooks = ConcurrentPlayers([GreedyPlayer(1)]), Hooks(interrupt_after(PART + 3))
    with pytest.raises(MatchInterrupt) as stopped:
        play_match(players, RandomPlayer(2), Openings(1, 4), sprt=Sprt(0, 1), games=400, hooks=hooks)
    assert stopped.value.games.tolist() == list(range(PART + 3))
    assert len(stopped.value.played.points) == PART + 3
    assert stopped.value.played.points.mean() > 0.3


@pytest.mark.parametrize(("words", "reason"), table("sprts"))
def test_an_invalid_test_is_refused(words: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"'{words}' is not a test .{reason}"):
        read_sprt(words)


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
