"""The tree against mctx's gumbel_muzero_policy on random small trees, and against values known by brute force."""

from pathlib import Path

import numpy as np
import pytest

from agent.search.gumbel.selection import Scaling
from agent.search.settings import visit_schedule
from tests.agent.search.gumbel.abstract import PUCT, Game, search

GOLDEN = np.load(Path(__file__).parents[3] / "data" / "search" / "golden.npz", allow_pickle=False)
GROUPS = sorted({name.split("_")[0] for name in GOLDEN.files})


def game(group: str) -> Game:
    return Game(*(GOLDEN[f"{group}_{name}"] for name in Game._fields))


def test_the_golden_cases_are_many_and_varied() -> None:
    sizes = [len(GOLDEN[f"{group}_roots"]) for group in GROUPS]
    assert sum(sizes) >= 500
    assert min(sizes) >= 20
    assert any((game(group).legal < game(group).logits.shape[1]).any() for group in GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_equal_to_mctx(group: str) -> None:
    played = game(group)
    columns = ("roots", "simulations", "considered", "gumbel", "actions", "policies", "visits", "means")
    for case, row in enumerate(zip(*(GOLDEN[f"{group}_{name}"] for name in columns), strict=True)):
        root, simulations, considered, gumbel, action, policy, visits, mean = row
        found = search(played, int(root), int(simulations), int(considered), gumbel)
        legal = len(found.policy)
        name = f"group {group}, case {case}: {simulations} simulations, {considered} considered"
        assert found.action == action, name
        np.testing.assert_array_equal(found.visits, visits[:legal], name)
        np.testing.assert_allclose(found.policy, policy[:legal], atol=2e-5, err_msg=name)
        assert found.mean == pytest.approx(mean, abs=1e-5), name
        assert not policy[legal:].any(), name


def test_schedule_of_the_paper() -> None:
    """Figure 1's setting: 16 actions, 200 simulations: 4 phases of about 50."""
    schedule = visit_schedule(16, 200)[16]
    assert schedule[:48].tolist() == [0] * 16 + [1] * 16 + [2] * 16
    assert schedule[48:96].tolist() == np.repeat(np.arange(3, 9), 8).tolist()
    assert visit_schedule(4, 5)[1].tolist() == [0, 1, 2, 3, 4]
    assert visit_schedule(3, 0).shape == (4, 0)


def take_away(sticks: int) -> Game:
    """Take 1, 2 or 3 sticks; who takes the last one wins. Lost for the side to move when 4 divides the sticks."""
    states = np.arange(sticks + 1)
    nexts, values = np.maximum(states[:, None] - np.arange(1, 4), 0), np.where(states == 0, -1.0, 0.0)
    logits = np.zeros((sticks + 1, 3), np.float32)
    return Game(nexts, logits, values.astype(np.float32), states == 0, np.minimum(states, 3))


# Wide exploration: with mctx's scaling a move that first looked bad is hardly looked at again.
WIDE = Scaling(50.0, 0.02)


@pytest.mark.parametrize("sticks", range(1, 12))
@pytest.mark.parametrize(("scaling", "simulations"), [(WIDE, 800), (PUCT, 3000)], ids=["wide", "puct"])
def test_take_away_is_solved(sticks: int, scaling: Scaling, simulations: int) -> None:
    """With neither knowledge nor noise, the search finds the only winning move and the sign of the value."""
    found = search(take_away(sticks), sticks, simulations, 16, np.zeros(3, np.float32), scaling)
    if sticks % 4:
        assert found.action == sticks % 4 - 1
        assert scaling is PUCT or found.policy.argmax() == found.action
        assert found.value > 0.4
    else:
        assert found.value < -0.5


def test_random_trees_reach_their_minimax_value() -> None:
    """Complete binary trees of depth 4 with leaves won, drawn or lost, against brute force."""
    rng = np.random.default_rng(3)
    states = np.arange(31)
    below = np.minimum(2 * states[:, None] + np.array([1, 2]), 30)
    for _ in range(40):
        values = np.zeros(31, np.float32)
        values[15:] = rng.choice([-1.0, 0.0, 1.0], 16)
        exact = values.astype(np.float64)
        for state in range(14, -1, -1):
            exact[state] = max(-exact[below[state]])
        tree = Game(below, np.zeros((31, 2), np.float32), values, states >= 15, np.full(31, 2))
        found = search(tree, 0, 800, 2, np.zeros(2, np.float32), WIDE)
        assert -exact[1 + found.action] == exact[0]
        assert found.value == pytest.approx(exact[0], abs=0.2)
