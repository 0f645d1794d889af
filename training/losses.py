"""The losses: actor-critic on sampled moves, or cross-entropy with the policies that search improved.

**Actor-critic** (games played without search). The moves come from older versions of the weights, so the policy
gradient is corrected by PPO's clipped importance ratio (Schulman et al. 2017, arXiv 1707.06347, eq. 7), not by V-trace:
V-trace must send whole trajectories through the newest network for every step, PPO needs two numbers stored with each
ply (the behaviour log-probability and the advantage), so batches are independent plies from many games. Staleness is
bounded by the replay buffer's capacity, and the clip takes the gradient from plies that are too far off-policy.

**Improved policy** (games played with search). The target is the policy that Gumbel search made of the prior
(Danihelka et al. 2022, section 4), over legal moves only; it is a target at any age, so nothing needs correcting."""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from kernels import RaggedTargets, masked_cross_entropy, masked_entropy, masked_policy_terms
from training.settings import LearnerSettings

CLIP: Final = 0.2  # of PPO: the importance ratio counts within 1 - CLIP and 1 + CLIP


class Loss(NamedTuple):
    """A loss and what to log of it, each a mean over the batch."""

    total: Tensor  # scalar to differentiate
    parts: dict[str, Tensor]  # detached scalars by tag, as in `training.monitoring.tags.tags`


def actor_critic_loss(
    logits: Tensor, value_logits: Tensor, *, legal: Tensor, moves: Tensor, log_probs: Tensor, advantages: Tensor,
    wdl: Tensor, settings: LearnerSettings,
) -> Loss:  # fmt: skip
    """Loss of B plies whose moves were sampled from an older policy.

    Unmasked logits float [B, 1880], value logits float [B, 3] of win, draw, loss, `legal` packed int32 [B, 59], the
    moves sampled int64 [B], their `log_probs` float32 [B] under the policy that sampled them, advantages float32 [B],
    used as they are (normalise before), and `wdl` float32 [B, 3], target probabilities."""
    terms = masked_policy_terms(logits, moves, legal=legal)
    log_ratio = terms.log_prob - log_probs
    ratio = log_ratio.exp()
    policy = -torch.minimum(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
    parts = {
        # Never negative estimate of KL(behaviour, policy): E[ratio - 1 - log ratio].
        "policy/kl": (ratio - 1 - log_ratio).mean(),
        "policy/clipped": ((ratio - 1).abs() > CLIP).float().mean(),
    }
    return _loss(policy, terms.entropy.mean(), value_logits, wdl, settings, parts)


def improved_policy_loss(
    logits: Tensor, value_logits: Tensor, *, legal: Tensor, policies: RaggedTargets, wdl: Tensor,
    settings: LearnerSettings,
) -> Loss:  # fmt: skip
    """Loss of B plies that were searched; `policies` are the improved ones, the rest is as in `actor_critic_loss`."""
    policy = masked_cross_entropy(logits, policies, legal=legal).mean()
    entropy = masked_entropy(logits, legal=legal).mean()
    targets = policies.probabilities.float()
    target_entropy = -torch.special.xlogy(targets, targets).sum() / max(len(logits), 1)
    parts = {"policy/target_entropy": target_entropy, "policy/kl": policy - target_entropy}
    return _loss(policy, entropy, value_logits, wdl, settings, parts)


def _loss(
    policy: Tensor, entropy: Tensor, value_logits: Tensor, wdl: Tensor, settings: LearnerSettings,
    parts: dict[str, Tensor],
) -> Loss:  # fmt: skip
    """The terms that both losses share; `parts` are logged beside them."""
    value = torch.nn.functional.cross_entropy(value_logits.float(), wdl)
    total = policy + settings.value_weight * value - settings.entropy_bonus * entropy
    shared = {"loss/total": total, "loss/policy": policy, "loss/value": value, "policy/entropy": entropy}
    return Loss(total, {name: part.detach() for name, part in {**shared, **parts}.items()})
