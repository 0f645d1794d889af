"""The live audit: the mass that other ways of masking would put on illegal moves of the positions being trained."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules, vocabulary
from agent.networks.network import Network, expected_score
from agent.networks.policy import MaskedPolicy
from kernels import invalid_mass, unpack_legal
from kernels.alternatives import multiplied, unmasked

SAMPLE: Final = 16
"""Positions of a batch that are audited in a row."""


@torch.no_grad()
def dense(network: Network, positions: NDArray[np.uint64], device: torch.device) -> tuple[Tensor, Tensor]:
    """(logits [B, 1880], values [B]) of packed positions uint64 [B, WORDS], float32 on the CPU, as in play."""
    training = network.training
    network.eval()
    try:
        logits, value_logits = network.dense(positions)
    finally:
        network.train(training)
    return logits.float().cpu(), expected_score(value_logits).float().cpu()


def policy_now(network: Network, positions: NDArray[np.uint64], device: torch.device) -> NDArray[np.float32]:
    """[B, 1880] masked policy of the network."""
    logits, _ = dense(network, positions, device)
    probabilities: NDArray[np.float32] = MaskedPolicy(
        logits, torch.from_numpy(rules.legal_bits(positions))
    ).probabilities.numpy()
    return probabilities


def leak_row(network: Network, positions: NDArray[np.uint64], device: torch.device) -> dict[str, float]:
    """Scalars by tag: the probability on illegal moves of each way, largest and mean over the first
    `SAMPLE` positions."""
    positions = positions[:SAMPLE]
    logits, _ = dense(network, positions, device)
    packed = torch.from_numpy(rules.legal_bits(positions))
    legal = unpack_legal(packed, size=vocabulary.SIZE)
    row = {}
    for name, probabilities in (
        ("kernel", MaskedPolicy(logits, packed).probabilities),
        ("multiplied", multiplied(logits, legal)),
        ("unmasked", unmasked(logits, legal)),
    ):
        mass = invalid_mass(probabilities, legal=legal).double()
        row[f"leak/{name}_max"] = float(mass.max())
        row[f"leak/{name}_mean"] = float(mass.mean())
    return row
