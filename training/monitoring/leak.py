"""The live audit: the mass that other ways of masking would put on illegal moves of the positions being trained."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules, vocabulary
from agent.networks.network import Network
from agent.networks.policy import MaskedPolicy
from kernels import invalid_mass, unpack_legal
from kernels.alternatives import multiplied, unmasked

SAMPLE: Final = 16
"""Positions of a batch that are audited in a row."""


@torch.no_grad()
def dense_logits(network: Network, positions: NDArray[np.uint64]) -> Tensor:
    """[B, 1880] logits of packed positions uint64 [B, WORDS], float32 on the CPU; the network's mode is restored."""
    training = network.training
    network.eval()
    try:
        return network.dense(positions)[0].float().cpu()
    finally:
        network.train(training)


def policy_now(network: Network, positions: NDArray[np.uint64]) -> NDArray[np.float32]:
    """[B, 1880] masked policy of the network."""
    legal = torch.from_numpy(rules.legal_bits(positions))
    probabilities: NDArray[np.float32] = MaskedPolicy(dense_logits(network, positions), legal).probabilities.numpy()
    return probabilities


def leak_row(network: Network, positions: NDArray[np.uint64]) -> dict[str, float]:
    """Scalars by tag: the probability on illegal moves of each way, largest and mean over the first
    `SAMPLE` positions."""
    positions = positions[:SAMPLE]
    logits = dense_logits(network, positions)
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
