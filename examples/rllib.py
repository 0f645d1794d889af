"""RLlib's PPO with a mask that holds, against a player that moves at random, on the vector environment.

    pip install 'zeromass[rl]' 'ray[rllib]'
    python examples/rllib.py --iterations 20

RLlib hands a module's output to the distribution in three places: it samples actions from it, computes the loss, and
compares the old policy with the new one. Here the output is logits and mask side by side, so that each of the three
sees the mask, and `Masked` makes `kernels.MaskedCategorical` of them. It asserts for every sample that no probability
is on illegal moves; the environment refuses illegal actions.
"""

import argparse
from typing import Any

import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchDeterministic, TorchDistribution
from ray.rllib.core.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.apis import ValueFunctionAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor, nn

from agent.env.vector import ID
from agent.networks.residual.planes import PLANES
from agent.players.player import RandomPlayer
from agent.vocabulary import SIZE
from kernels import MaskedCategorical, invalid_mass


class Masked(TorchDistribution):  # type: ignore[misc]
    """The policy over legal moves, from logits and mask [B, 2 * 1880]."""

    _dist: MaskedCategorical

    def _get_torch_distribution(self, logits: Tensor) -> MaskedCategorical:
        logits, self.mask = logits.chunk(2, -1)
        return MaskedCategorical(logits, legal=self.mask > 0, validate_args=False)

    def sample(self, *, sample_shape: Any = None) -> Tensor:
        """int64 [B]; -1 where a game is over."""
        assert invalid_mass(self._dist.probs, legal=self.mask > 0).max() == 0.0
        return self._dist.sample(sample_shape or ())

    def to_deterministic(self) -> TorchDeterministic:
        """The most probable moves."""
        return TorchDeterministic(self._dist.mode)

    @staticmethod
    def required_input_dim(space: Any, **_more: Any) -> int:
        """Logits and mask."""
        return 2 * int(space.n)


class Policy(TorchRLModule, ValueFunctionAPI):  # type: ignore[misc]
    """Two layers over the input planes; a logit a move, and a value."""

    def setup(self) -> None:
        """Make the layers."""
        hidden = self.model_config["hidden"]
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(PLANES * 64, hidden), nn.ReLU())
        self.policy, self.value = nn.Linear(hidden, SIZE), nn.Linear(hidden, 1)
        self.action_dist_cls = Masked

    def _forward(self, batch: dict[str, Any], **_more: Any) -> dict[str, Tensor]:
        seen = batch[Columns.OBS]
        logits = self.policy(self.body(seen["observation"]))
        return {Columns.ACTION_DIST_INPUTS: torch.cat([logits, seen["action_mask"].to(logits.dtype)], -1)}

    def compute_values(self, batch: dict[str, Any], embeddings: Tensor | None = None) -> Tensor:
        """[B], for the advantages."""
        values: Tensor = self.value(self.body(batch[Columns.OBS]["observation"]))
        return values[:, 0]


def config(games: int = 32, steps: int = 1024, max_plies: int = 200, hidden: int = 128) -> PPOConfig:
    """PPO on `games` side by side in one process, `steps` moves an iteration."""
    return (
        PPOConfig()
        .environment(f"agent.env.vector:{ID}", env_config={"opponent": RandomPlayer, "max_plies": max_plies})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=games, gym_env_vectorize_mode="vector_entry_point")
        .rl_module(rl_module_spec=RLModuleSpec(module_class=Policy, model_config={"hidden": hidden}))
        .training(train_batch_size=steps, minibatch_size=steps // 4, num_epochs=2, lr=1e-3, entropy_coeff=0.01)
    )


def main() -> None:
    """Train; print what an iteration brought."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=20)
    iterations = parser.parse_args().iterations
    algorithm = config().build_algo()
    for iteration in range(iterations):
        found = algorithm.train()
        games, learned = found["env_runners"], found["learners"]["default_policy"]
        ended = games.get("num_episodes", 0)
        result = f", mean result {games['episode_return_mean']:+.2f}" if ended else ""
        print(f"{iteration + 1}: {ended:.0f} games ended{result}; entropy {learned['entropy']:.2f}", flush=True)
    algorithm.stop()


if __name__ == "__main__":
    main()
