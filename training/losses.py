"""The actor-critic loss on sampled moves.

The moves come from older versions of the weights, so the policy gradient is corrected by PPO's clipped
importance ratio (Schulman et al. 2017, arXiv 1707.06347, eq. 7), not by V-trace: V-trace must send whole
trajectories through the newest network for every step, PPO needs two numbers stored with each ply (the
behaviour log-probability and the advantage), so batches are independent plies from many games. Staleness is
bounded by the replay's capacity, and the clip takes the gradient from plies that are too far off-policy.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kernels import masked_policy_terms


@dataclass(frozen=True)
class LossWeights:
    """How the terms are added up."""

    clip: float
    policy_weight: float
    value_weight: float
    entropy_bonus: float


class Loss(NamedTuple):
    """The loss and its parts, each a mean over the batch."""

    total: Tensor
    """Scalar to differentiate."""
    policy: Tensor
    value: Tensor
    entropy: Tensor
    """Of the policy, in nats."""
    kl: Tensor
    """Estimate of KL(behaviour, policy), in nats: mean of ratio - 1 - log ratio (never negative)."""
    clipped: Tensor
    """Share of plies whose ratio lies outside 1 +- clip."""


def actor_critic_loss(
    logits: Tensor,
    value_logits: Tensor,
    *,
    legal: Tensor,
    moves: Tensor,
    log_probs: Tensor,
    advantages: Tensor,
    wins_draws_losses: Tensor,
    weights: LossWeights,
) -> Loss:
    """Loss of B plies.

    Args:
        logits: float [B, 1880], unmasked.
        value_logits: float [B, 3] of win, draw, loss.
        legal: packed int32 [B, 59].
        moves: int64 [B], the moves sampled.
        log_probs: float32 [B] of them, under the policy that sampled them.
        advantages: float32 [B], used as they are (normalise before).
        wins_draws_losses: float32 [B, 3], target probabilities.
        weights: of the terms.
    """
    terms = masked_policy_terms(logits, moves, legal=legal)
    log_ratio = terms.log_prob - log_probs
    ratio = log_ratio.exp()
    limited = ratio.clamp(1 - weights.clip, 1 + weights.clip)
    policy = -torch.minimum(ratio * advantages, limited * advantages).mean()
    value = torch.nn.functional.cross_entropy(value_logits.float(), wins_draws_losses)
    entropy = terms.entropy.mean()
    total = weights.policy_weight * policy + weights.value_weight * value - weights.entropy_bonus * entropy
    with torch.no_grad():
        kl = (ratio - 1 - log_ratio).mean()
        clipped = ((ratio - 1).abs() > weights.clip).float().mean()
    return Loss(total, policy, value, entropy, kl, clipped)
