"""The replay: targets against a sum written out term by term, the window, and what it must never do."""

import numpy as np
import pytest

from agent import rules
from agent.rules import Termination
from agent.rules.layout import STATE
from agent.rules.record import CASTLING
from selfplay.record import GameRecord
from tests.training.records import record, searched
from training.replay import Batch, ReplayBuffer
from training.targets import Targets, targets, white_score


@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("outcome", [1, 0, -1])
def test_advantages_are_the_sum_of_equation_16(gae_lambda: float, outcome: int) -> None:
    """Seen from White throughout, with no sign tricks: A_t = sum over k of lambda^k delta_{t+k}."""
    game = record(9, seed=3, outcome=outcome, termination=Termination.CHECKMATE)
    side = np.array([1.0, -1.0] * 5)[:9]
    white = game.values.astype(np.float64) * side
    following = np.append(white[1:], outcome)
    deltas = following - white
    expected = [sum(gae_lambda**k * deltas[ply + k] for k in range(9 - ply)) * side[ply] for ply in range(9)]
    assert targets(game, adjudication=0.25, gae_lambda=gae_lambda).advantages == pytest.approx(expected, abs=1e-5)


def test_results_are_seen_from_the_side_to_move() -> None:
    game = record(4, outcome=-1, termination=Termination.CHECKMATE)
    rows = targets(game, adjudication=0.0, gae_lambda=0.9).wdl
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    # Truncated games are weakly adjudicated.
    game = record(2, balance=9)
    assert white_score(game, 0.25) == pytest.approx(0.25 * np.tanh(1.5))
    assert white_score(game, 0.0) == 0.0
    rows = targets(game, adjudication=0.25, gae_lambda=0.9).wdl
    assert np.allclose(rows.sum(1), 1)
    assert rows[0, 0] == pytest.approx(rows[1, 2]) == pytest.approx(0.25 * np.tanh(1.5))
    drawn = record(2, balance=9, termination=Termination.STALEMATE)
    assert white_score(drawn, 0.25) == 0.0


@pytest.mark.parametrize("value_lambda", [0.0, 0.6, 0.95])
def test_value_targets_are_the_weighted_sum_of_what_comes(value_lambda: float) -> None:
    """The closed form: thought k plies on weighs (1 - lambda) lambda^k, the result what is left."""
    game = record(7, outcome=1, termination=Termination.CHECKMATE)
    rows = targets(game, adjudication=0.0, gae_lambda=0.9, value_lambda=value_lambda).wdl
    results = targets(game, adjudication=0.0, gae_lambda=0.9).wdl
    for ply in range(7):
        score = value_lambda ** (7 - ply) * (results[ply, 0] - results[ply, 2])
        for later in range(ply, 7):
            weight = (1 - value_lambda) * value_lambda ** (later - ply)
            score += weight * game.values[later] * (-1) ** (later - ply)
        assert rows[ply, 0] - rows[ply, 2] == pytest.approx(score, abs=1e-6)
    assert np.allclose(rows.sum(1), 1)
    assert (rows >= 0).all()


@pytest.mark.parametrize("value_lambda", [0.6, 1.0])
def test_value_targets_end_at_moves_played_to_explore(value_lambda: float) -> None:
    """As if the game had ended there with the score that the search thought of the position."""
    log_probs = np.log(np.array([0.95, 0.95, 0.51, 0.49, 0.95, 0.001, 0.95], np.float32))
    game = record(7, outcome=1, termination=Termination.CHECKMATE, log_probs=log_probs)
    rows = targets(game, adjudication=0.0, value_lambda=value_lambda, value_cut=0.5).wdl
    scores = rows[:, 0] - rows[:, 2]
    assert scores[[3, 5]] == pytest.approx(game.values[[3, 5]])
    assert scores[6] == pytest.approx((1 - value_lambda) * game.values[6] + value_lambda)  # White moves last and mates
    for ply in (0, 1, 2, 4):
        own = (1 - value_lambda) * game.values[ply]
        assert scores[ply] == pytest.approx(own - value_lambda * scores[ply + 1], abs=1e-6)


def test_a_game_comes_in_once() -> None:
    replay, game = ReplayBuffer(100), record(5, seed=1)
    assert [replay.add(game, targets(game, adjudication=0.0, gae_lambda=0.95)) for _ in range(2)] == [True, False]
    assert (len(replay), replay.added, replay.games) == (5, 5, 1)


def test_the_oldest_plies_leave_and_every_stored_ply_is_whole() -> None:
    replay = ReplayBuffer(50)
    games = [record(17, seed=seed, version=seed) for seed in range(12)]
    for game in games:
        replay.add(game, targets(game, adjudication=0.25, gae_lambda=0.9))
        assert len(replay) == min(replay.added, 50)
    batch = replay.sample(2000, np.random.default_rng(0))
    assert set(batch.versions.tolist()) == {9, 10, 11}  # 51 plies: one of game 9 is gone

    def rows(plies: GameRecord | Batch) -> set[tuple[bytes, int, float]]:
        keys = (position.tobytes() for position in plies.positions)
        return set(zip(keys, plies.moves.tolist(), plies.log_probs.tolist(), strict=True))

    assert rows(batch) <= set().union(*map(rows, games))
    assert len({position.tobytes() for position in batch.positions}) >= 49


def test_a_game_longer_than_the_window_keeps_its_end() -> None:
    replay = ReplayBuffer(10)
    game = record(25, seed=2)
    replay.add(game, Targets(np.zeros((25, 3), np.float32), np.arange(25, dtype=np.float32)))
    assert set(replay.sample(500, np.random.default_rng(0)).advantages.tolist()) == set(range(15, 25))


@pytest.mark.parametrize("entries_per_ply", [4, 30])
def test_policies_come_back_with_their_plies(entries_per_ply: int) -> None:
    """Through many turns of both rings, whichever is the shorter one."""
    replay = ReplayBuffer(60, entries_per_ply=entries_per_ply)
    wanted = {}
    for seed in range(30):
        game = searched(13, seed=seed, version=seed)
        replay.add(game, targets(game, adjudication=0.0, gae_lambda=0.9))
        policies = game.policies
        for ply in range(game.plies):
            entries = slice(policies.offsets[ply], policies.offsets[ply + 1])
            kept = (policies.indices[entries].tobytes(), policies.probabilities[entries].tobytes())
            wanted[(seed, game.positions[ply].tobytes(), int(game.moves[ply]))] = kept
        batch = replay.sample(80, np.random.default_rng(seed))
        offsets = batch.policies.offsets
        assert bool((np.diff(offsets) > 0).all())
        for row in range(80):
            key = (int(batch.versions[row]), batch.positions[row].tobytes(), int(batch.moves[row]))
            entries = slice(offsets[row], offsets[row + 1])
            found = (batch.policies.indices[entries].tobytes(), batch.policies.probabilities[entries].tobytes())
            assert found == wanted[key]
    assert len(replay) == 60 if entries_per_ply == 30 else 3 < len(replay) < 60


def test_mirror_images_teach_values_alone() -> None:
    replay, rng = ReplayBuffer(999, entries_per_ply=30), np.random.default_rng
    for game in (searched(120, seed=seed) for seed in range(8)):
        replay.add(game, targets(game, adjudication=0.0))
    plain, batch = replay.sample(900, rng(1)), replay.sample(900, rng(1), 0.7)
    flipped = np.add.reduceat(batch.policies.probabilities, batch.policies.offsets[:-1]) == 0
    free = plain.positions[:, STATE] & CASTLING == 0
    assert (0.6 < flipped[free].mean() < 0.8, flipped[~free].sum(), free.sum() > 200) == (True, 0, True)
    plain.positions[flipped] = rules.flip_horizontal(plain.positions[flipped])
    kept = np.repeat(~flipped, np.diff(plain.policies.offsets))
    legal = np.unpackbits(rules.legal_bits(plain.positions).view(np.uint8), axis=1, bitorder="little")
    assert np.array_equal(batch.positions, plain.positions)
    assert np.array_equal(batch.wdl, plain.wdl)
    assert np.array_equal(batch.policies.probabilities, kept * plain.policies.probabilities)
    assert np.array_equal(batch.policies.indices, np.nonzero(legal)[1])


def test_improved_policies_need_room_and_an_empty_replay_cannot_be_sampled() -> None:
    game = searched(5)
    with pytest.raises(ValueError, match="needs a replay buffer with entries_per_ply above 0"):
        ReplayBuffer(10).add(game, targets(game, adjudication=0.0, gae_lambda=0.9))
    with pytest.raises(ValueError, match="is empty"):
        ReplayBuffer(5).sample(1, np.random.default_rng(0))
