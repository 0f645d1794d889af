"""The examples: PPO takes its steps, which check themselves, and learns."""

import math
from typing import Any

import pytest
import ray

pytest.importorskip("gymnasium", reason="gymnasium is not installed (extra rl)")
import torch

from examples.ppo import Arguments, Trainer


def test_ppo_changes_the_network_and_plays_its_test_games_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = Trainer(Arguments(iterations=2, num_envs=8, num_steps=40, max_plies=30, test_games=8, hidden=32))
    before = [one.clone() for one in trainer.agent.parameters()]
    assert 0 <= trainer.run() <= 1
    assert all((one != other).any() for one, other in zip(before, trainer.agent.parameters(), strict=True))
    assert "640 moves: " in capsys.readouterr().out


def test_advantages_are_sums_of_discounted_errors_within_a_game() -> None:
    trainer = Trainer(Arguments(num_envs=8, num_steps=60, max_plies=24, material_weight=0.1, hidden=32))
    rollout = trainer.rollout()
    found, gamma, decay = trainer.advantages(rollout), 0.99, 0.99 * 0.95
    assert not rollout.running.all()
    for game in range(8):
        for step in rollout.running[:-1, game].nonzero()[:, 0].tolist():
            total, weight, now = 0.0, 1.0, step
            while True:
                after = 0.0 if rollout.terminated[now, game] else float(rollout.values[now + 1, game])
                total += weight * float(rollout.rewards[now, game] + gamma * after - rollout.values[now, game])
                now, weight = now + 1, weight * decay
                if now == 60 or not rollout.running[now, game]:
                    break
            assert float(found[step, game]) == pytest.approx(total, abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ppo_beats_random_within_ten_minutes() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert Trainer(Arguments(minutes=10.0, test_seconds=600.0)).run() >= 0.8
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_rllib_learns_with_a_mask_that_holds() -> None:
    """Every sample is checked in the example, every action by the environment."""
    pytest.importorskip("tree", reason="ray[rllib] is not installed")
    from examples.rllib import config

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    try:
        algorithm: Any = config(games=8, steps=256, max_plies=30, hidden=16).build_algo()
        before = [one.clone() for one in algorithm.get_module().parameters()]
        for _ in range(3):
            learned = algorithm.train()["learners"]["default_policy"]
        assert all((one != other).any() for one, other in zip(before, algorithm.get_module().parameters(), strict=True))
        assert 2 < learned["entropy"] < 4  # of some 30 legal moves; over all 1,880 it would be 7.5
        assert math.isfinite(learned["total_loss"])
        algorithm.stop()
    finally:
        ray.shutdown()
