"""Spread of values within a position: does the value tell a position's moves apart?

A value can do well on average and be blind where it matters. It learns who stands better, which is nearly the same for
all successors of a position, and says nothing of which move keeps it so; then search has nothing to choose by. So the
guard looks at the network's own values of all successors, not at those of games, in which search has mixed mates.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks.network import Network, expected_score

POSITIONS: Final = 8
"""Positions of a batch that are looked at: some 250 successors, a fraction of a learning step."""


def value_spread(network: Network, positions: NDArray[np.uint64], device: torch.device) -> float | None:
    """Mean standard deviation of expected scores over the legal successors of each position.

    Args:
        network: as it is trained; back in the mode it was in afterwards.
        positions: uint64 [B, WORDS].
        device: of the network.

    Returns:
        In expected score, 0 to 1; None if no position has two successors from which the game goes on.
    """
    indices, counts = rules.legal_moves(positions)
    owners = np.repeat(np.arange(len(positions)), counts)
    successors = positions[owners]
    rules.play(successors, indices[np.arange(indices.shape[1]) < counts[:, None]])
    going_on = rules.count_moves(successors) > 0
    owners, successors = owners[going_on], successors[going_on]
    if not len(owners):
        return None
    training = network.training
    network.eval()
    with torch.no_grad():
        scores = expected_score(network.predict(successors).value_logits).double().cpu().numpy()
    network.train(training)
    spreads = [scores[owners == owner].std() for owner in np.unique(owners) if (owners == owner).sum() > 1]
    return float(np.mean(spreads)) if spreads else None
