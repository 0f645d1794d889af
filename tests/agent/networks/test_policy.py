"""The policy against torch's own Categorical over only the legal moves, and its exact zeros."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical

from agent import rules
from agent.networks.policy import MaskedPolicy
from tests.tables import table

FENS = [fen for (fen,) in table("few_moves")]


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """(logits with poison at illegal moves, packed legal, legal as bool)."""
    positions = np.stack([rules.from_fen(fen) for fen in FENS])
    packed = torch.from_numpy(rules.legal_bits(positions))
    legal = torch.zeros(len(FENS), 1880, dtype=torch.bool)
    indices, counts = rules.legal_moves(positions)
    for row, count in enumerate(counts):
        legal[row, indices[row, :count].astype(np.int64)] = True
    logits = torch.randn(len(FENS), 1880, generator=torch.Generator().manual_seed(1)) * 3
    poison = torch.tensor([float("nan"), float("inf"), float("-inf"), 1e38])[torch.arange(1880) % 4]
    return torch.where(legal, logits, poison), packed, legal


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_equals_categorical_over_the_legal_moves_alone(temperature: float) -> None:
    logits, packed, legal = batch()
    policy = MaskedPolicy(logits, packed, temperature=temperature)
    for row in (0, 1, 4):
        moves = legal[row].nonzero()[:, 0]
        oracle = Categorical(logits=logits[row, moves].double() / temperature)
        assert torch.allclose(policy.probabilities[row, moves].double(), oracle.probs, atol=1e-6)
        assert int(policy.mode[row]) == int(moves[oracle.probs.argmax()])
        taken, log_probs, entropies = policy.sample(3, torch.arange(len(FENS)))
        expected = oracle.log_prob((moves == taken[row]).nonzero()[0, 0])  # type: ignore[no-untyped-call]
        assert float(log_probs[row]) == pytest.approx(float(expected), abs=1e-5)
        assert float(entropies[row]) == pytest.approx(float(oracle.entropy()), abs=1e-5)  # type: ignore[no-untyped-call]


def test_illegal_moves_have_probability_exactly_zero_and_nothing_legal_gives_minus_one() -> None:
    logits, packed, legal = batch()
    policy = MaskedPolicy(logits, packed)
    assert not policy.probabilities[~legal].any()
    assert torch.allclose(policy.probabilities.sum(1), legal.any(1).float())
    for moves in (policy.sample(0, torch.arange(len(FENS)))[0], policy.mode):
        assert moves[2:4].tolist() == [-1, -1]


def test_temperature_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match=r"temperature 0.0"):
        MaskedPolicy(*batch()[:2], temperature=0.0)
