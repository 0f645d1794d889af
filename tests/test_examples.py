"""The examples: PPO takes its steps, which check themselves, and learns."""

import math
from typing import Any

import pytest

from examples.ppo import Arguments, Trainer


def test_ppo_changes_the_network_and_plays_its_test_games_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = Trainer(Arguments(iterations=2, num_envs=8, num_steps=40, max_plies=30, test_games=8, hidden=32))
    before = [one.clone() for one in trainer.agent.parameters()]
    assert 0 <= trainer.run() <= 1
    assert all((one != other).any() for one, other in zip(before, trainer.agent.parameters(), strict=True))
    assert "640 moves: " in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ppo_beats_random() -> None:
    assert Trainer(Arguments(minutes=50.0, iterations=200, test_seconds=3600.0)).run() >= 0.7


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_rllib_learns_with_a_mask_that_holds(local_ray: None) -> None:
    """Every sample is checked in the example, every action by the environment."""
    pytest.importorskip("tree", reason="ray[rllib] is not installed")
    from examples.rllib import config

    algorithm: Any = config(games=8, steps=256, max_plies=30, hidden=16).build_algo()
    before = [one.clone() for one in algorithm.get_module().parameters()]
    for _ in range(3):
        learned = algorithm.train()["learners"]["default_policy"]
    assert all((one != other).any() for one, other in zip(before, algorithm.get_module().parameters(), strict=True))
    assert 2 < learned["entropy"] < 4  # of some 30 legal moves; over all 1,880 it would be 7.5
    assert math.isfinite(learned["total_loss"])
