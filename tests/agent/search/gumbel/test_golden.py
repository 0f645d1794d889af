"""The tree against mctx's gumbel_muzero_policy on random small trees."""

from pathlib import Path

import numpy as np
import pytest

from tests.agent.search.gumbel.abstract import Game, search

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
