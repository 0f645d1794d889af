"""PPO against a player that moves at random: one file, in the manner of CleanRL, on the vector environment.

    python examples/ppo.py                 # ten minutes on a CPU; prints the score as it learns
    python examples/ppo.py --minutes 2

What is special here is only the mask. The environment says which of the 1,880 moves are legal, `MaskedCategorical` puts
all probability on them, and `check` asserts at every step that none is left on the others. A row whose game has just
ended has no legal move: its action is -1, its entropy 0, its gradient 0, and the environment resets it.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent import rules
from agent.env.vector import ChessVectorEnv
from agent.networks.residual.planes import PLANES
from agent.players.player import RandomPlayer
from agent.vocabulary import SIZE
from kernels import MaskedCategorical, invalid_mass


@dataclass
class Arguments:
    """Settings, each an option of the command line."""

    minutes: float = 10.0  # of training
    iterations: int = 100_000  # of rollout and update, at most
    seed: int = 1
    num_envs: int = 128  # games side by side
    num_steps: int = 32  # moves of each game in a rollout
    minibatches: int = 4  # of a rollout
    epochs: int = 2  # passes over a rollout
    learning_rate: float = 1e-3
    gamma: float = 0.99  # discount a move
    gae_lambda: float = 0.95
    clip: float = 0.2  # of the probability ratio
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    material_weight: float = 0.5  # of material in the shaped reward, against 1 for a mate
    max_plies: int = 200  # games are truncated there
    hidden: int = 128  # width of the network
    test_games: int = 200  # of the score that is printed
    test_seconds: float = 60.0  # between two scores


class Agent(nn.Module):
    """Two layers over the input planes; a logit a move, and a value."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(PLANES * 64, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.policy, self.value = nn.Linear(hidden, SIZE), nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.policy.weight, 0.01)
        nn.init.orthogonal_(self.value.weight, 1.0)

    def forward(self, observation: Tensor, mask: Tensor) -> tuple[MaskedCategorical, Tensor]:
        """The policy over legal moves and the value [B] of observations [B, 21, 8, 8]."""
        body = self.body(observation)
        return MaskedCategorical(self.policy(body), legal=mask, validate_args=False), self.value(body)[:, 0]


@dataclass
class Rollout:
    """T steps of N games. `running[t]`: the game goes on, so that the step is one to learn from."""

    observations: Tensor  # [T, N, 21, 8, 8]
    masks: Tensor  # uint8 [T, N, 1880]
    actions: Tensor  # int64 [T, N]
    log_probs: Tensor  # [T, N]
    rewards: Tensor  # [T, N]
    values: Tensor  # [T + 1, N]
    running: Tensor  # bool [T + 1, N]
    terminated: Tensor  # bool [T, N]

    @staticmethod
    def empty(steps: int, games: int) -> "Rollout":
        """Zeros."""
        return Rollout(
            torch.zeros(steps, games, PLANES, 8, 8),
            torch.zeros(steps, games, SIZE, dtype=torch.uint8),
            torch.zeros(steps, games, dtype=torch.int64),
            torch.zeros(steps, games),
            torch.zeros(steps, games),
            torch.zeros(steps + 1, games),
            torch.zeros(steps + 1, games, dtype=torch.bool),
            torch.zeros(steps, games, dtype=torch.bool),
        )


def check(policy: MaskedCategorical, mask: Tensor, actions: Tensor, positions: NDArray[np.uint64]) -> None:
    """No probability on an illegal move, and no illegal action, by rules that do not know the mask."""
    assert invalid_mass(policy.probs, legal=mask).max() == 0.0
    moving = (actions != -1).numpy()
    assert rules.is_legal(positions[moving], actions.numpy()[moving]).all()
    assert not mask[~moving].any()


def tensors(observation: dict[str, NDArray[np.generic]]) -> tuple[Tensor, Tensor]:
    """Planes and mask of an observation."""
    return torch.from_numpy(observation["observation"]), torch.from_numpy(observation["action_mask"].view(np.uint8))


class Trainer:
    """Plays, learns, and tests itself."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments
        torch.manual_seed(arguments.seed)
        self.agent = Agent(arguments.hidden)
        self.optimizer = torch.optim.Adam(self.agent.parameters(), arguments.learning_rate, eps=1e-5)
        self.envs = ChessVectorEnv(arguments.num_envs, opponent=RandomPlayer, max_plies=arguments.max_plies)
        observation, _ = self.envs.reset(seed=arguments.seed)
        self.observation, self.mask = tensors(observation)
        self.over = torch.zeros(arguments.num_envs, dtype=torch.bool)

    def potential(self) -> NDArray[np.floating]:
        """What the material is worth to the agent, which is to move: less than a mate, however much it is."""
        return self.arguments.material_weight * np.tanh(rules.material(self.envs.games.positions) / 10)

    @torch.no_grad()
    def rollout(self) -> Rollout:
        """Play `num_steps` moves in every game."""
        found = Rollout.empty(self.arguments.num_steps, self.arguments.num_envs)
        for step in range(self.arguments.num_steps):
            policy, value = self.agent(self.observation, self.mask)
            actions = policy.sample()
            check(policy, self.mask, actions, self.envs.games.positions)
            found.observations[step], found.masks[step], found.running[step] = self.observation, self.mask, ~self.over
            found.actions[step], found.log_probs[step], found.values[step] = actions, policy.log_prob(actions), value
            before = self.potential()
            observation, rewards, terminated, truncated, _ = self.envs.step(actions.numpy())
            # Ng et al. 1999: the difference of a potential changes no best policy. It is 0 where a game has ended.
            shaped = rewards + np.where(terminated, 0.0, self.arguments.gamma * self.potential()) - before
            found.rewards[step] = torch.from_numpy(np.where(self.over, 0.0, shaped))
            found.terminated[step] = torch.from_numpy(terminated)
            self.observation, self.mask = tensors(observation)
            self.over = torch.from_numpy(terminated | truncated)
        found.values[-1] = self.agent(self.observation, self.mask)[1]
        found.running[-1] = ~self.over
        return found

    def advantages(self, rollout: Rollout) -> Tensor:
        """Generalised advantage estimates [T, N]; nothing flows from a game into the next."""
        found, later = torch.zeros_like(rollout.rewards), torch.zeros(self.arguments.num_envs)
        for step in reversed(range(self.arguments.num_steps)):
            # A truncated game has a value beyond its end, that of its last observation; a finished one has none.
            following = rollout.values[step + 1] * ~rollout.terminated[step]
            error = rollout.rewards[step] + self.arguments.gamma * following - rollout.values[step]
            decay = self.arguments.gamma * self.arguments.gae_lambda * rollout.running[step + 1]
            found[step] = later = error + decay * later
            later = later * rollout.running[step]  # the step of a reset belongs to no game
        return found

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Learn from a rollout; what happened, by name."""
        arguments = self.arguments
        advantages = self.advantages(rollout)
        use = rollout.running[:-1].flatten().nonzero()[:, 0]
        observations, masks = rollout.observations.flatten(0, 1), rollout.masks.flatten(0, 1)
        actions, old = rollout.actions.flatten(), rollout.log_probs.flatten()
        gains, returns = advantages.flatten(), (advantages + rollout.values[:-1]).flatten()
        shown: dict[str, float] = {}
        for _ in range(arguments.epochs):
            for rows in use[torch.randperm(len(use))].chunk(arguments.minibatches):
                policy, values = self.agent(observations[rows], masks[rows])
                ratio = (policy.log_prob(actions[rows]) - old[rows]).exp()
                gain = (gains[rows] - gains[rows].mean()) / (gains[rows].std() + 1e-8)
                clipped = ratio.clamp(1 - arguments.clip, 1 + arguments.clip)
                policy_loss = -torch.min(gain * ratio, gain * clipped).mean()
                value_loss = 0.5 * (values - returns[rows]).square().mean()
                entropy = policy.entropy().mean()
                loss = policy_loss + arguments.value_weight * value_loss - arguments.entropy_weight * entropy
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.agent.parameters(), arguments.max_grad_norm)
                self.optimizer.step()
                shown = {"entropy": entropy.item(), "value loss": value_loss.item()}
        return shown

    @torch.no_grad()
    def test(self) -> tuple[int, int, int]:
        """Wins, draws and losses of fresh games, by moves sampled from the policy, as it learned to play."""
        games = self.arguments.test_games
        envs = ChessVectorEnv(games, opponent=RandomPlayer, opening_plies=2, max_plies=2 * self.arguments.max_plies)
        observation, _ = envs.reset(seed=self.arguments.seed + 1)
        results, over = np.zeros(games), np.zeros(games, np.bool_)
        while not over.all():
            planes, mask = tensors(observation)
            policy, _ = self.agent(planes, mask)
            actions = policy.sample()
            check(policy, mask, actions, envs.games.positions)
            observation, rewards, terminated, truncated, _ = envs.step(actions.numpy())
            results = np.where(over, results, rewards)  # the first game of each row counts
            over |= terminated | truncated
        return int((results > 0).sum()), int((results == 0).sum()), int((results < 0).sum())

    def run(self) -> float:
        """Train; the score of the last test, 0 to 1."""
        started = last = time.monotonic()
        score = 0.0
        for iteration in range(self.arguments.iterations):
            shown = self.update(self.rollout())
            now = time.monotonic()
            done = now - started > 60 * self.arguments.minutes or iteration + 1 == self.arguments.iterations
            if done or now - last > self.arguments.test_seconds:
                wins, draws, losses = self.test()
                score, last = (wins + draws / 2) / (wins + draws + losses), time.monotonic()
                figures = ", ".join(f"{name} {value:.3f}" for name, value in shown.items())
                moves = (iteration + 1) * self.arguments.num_envs * self.arguments.num_steps
                said = f"{(now - started) / 60:.1f} min, {moves:,} moves: {100 * score:.1f} % against random"
                print(f"{said} (+{wins} ={draws} -{losses}), {figures}", flush=True)
            if done:
                break
        return score


def main() -> float:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in vars(Arguments()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return Trainer(Arguments(**vars(parser.parse_args()))).run()


if __name__ == "__main__":
    main()
