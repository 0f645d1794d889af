"""Learning from a fixed replay: bit for bit the same with one seed, and along the recorded curves of the golden set."""

import json
from functools import cache

import numpy as np
import pytest

from tests.training.golden import DATA, EVERY, LOSSES, NETWORKS, PARTS, STEPS, learn, load
from training.learner import Learner

GAMES = load()
TOLERANCE = 5e-3
"""Relative, of a mean loss over ten steps. A rounding error in every first weight moved none by more than 7e-4."""
FALLS = {"residual": 0.05, "sparse": 0.35}
"""Share by which the total loss falls, and at least half as much the value's, from the first point to the last."""
EACH = pytest.mark.parametrize(("network", "loss"), [(network, loss) for network in NETWORKS for loss in LOSSES])


@cache
def learned(network: str, loss: str, life: int) -> tuple[Learner, dict[str, list[float]]]:
    """Learned again for every `life`."""
    return learn(network, loss, GAMES)


@EACH
def test_one_seed_gives_weights_and_optimiser_bit_for_bit(network: str, loss: str) -> None:
    (one, first), (two, second) = learned(network, loss, 0), learned(network, loss, 1)
    assert first == second
    for mine, theirs in ((one.weights(), two.weights()), (one.state_arrays(), two.state_arrays())):
        assert mine.keys() == theirs.keys()
        assert all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)
    assert one.step == STEPS


@EACH
def test_losses_follow_the_recorded_curves(network: str, loss: str) -> None:
    recorded = json.loads((DATA / "curves.json").read_text())[f"{network} {loss}"]
    _, curves = learned(network, loss, 0)
    assert set(recorded) == set(PARTS)
    for part in PARTS:
        assert len(recorded[part]) == STEPS // EVERY
        np.testing.assert_allclose(curves[part], recorded[part], rtol=TOLERANCE, err_msg=part)
    for part, least in (("loss/total", FALLS[network]), ("loss/value", FALLS[network] / 2)):
        assert curves[part][-1] < (1 - least) * curves[part][0], part
