"""Averaged weights for play: an exponential moving average of what the learner's steps leave behind.

Steps of a constant learning rate wander around a minimum; their mean lies nearer to it (Polyak and Juditsky 1992). The
learner goes on from its own weights; games, matches and weights files get the averaged ones.
"""

import copy

import torch

from agent.networks.registry import AnyNetwork


class AveragedNetwork:
    """A twin of a network whose weights follow it.

    Args:
        network: followed; the twin starts as its copy.
        decay: of the average, 0..1: a step's weights count for about 1 / (1 - decay) steps. While fewer steps than that
            were taken the average is over all of them, about.
    """

    def __init__(self, network: AnyNetwork, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    def follow(self, network: AnyNetwork, step: int) -> None:
        """Take in the weights after step number `step`, 1 or more."""
        decay = min(self._decay, step / (step + 10))
        ours = [parameter.detach() for parameter in self.network.parameters()]
        theirs = [parameter.detach() for parameter in network.parameters()]
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(other)
