"""The loss against its formula written out in float64 over the legal moves alone; the learner, which learns what it is
shown, and stops at what is broken."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from kernels import RaggedTargets, pack_legal
from tests.training.records import record, sampled
from training.learner import Learner, LearningError
from training.losses import actor_critic_loss, improved_policy_loss
from training.replay import Batch
from training.settings import LearnerSettings

SETTINGS = LearnerSettings(value_weight=0.7, entropy_bonus=0.05)
POLICY_ALONE = LearnerSettings(value_weight=0, entropy_bonus=0)


def example(rows: int = 6) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    legal = torch.rand(rows, 1880, generator=generator) < 0.02
    legal[:, 3] = True
    moves = torch.stack([row.nonzero()[-1, 0] for row in legal])
    logits = torch.randn(rows, 1880, generator=generator) * 2
    now = logits.masked_fill(~legal, -torch.inf).log_softmax(1).gather(1, moves[:, None])[:, 0]
    return {
        "logits": logits,
        "value_logits": torch.randn(rows, 3, generator=generator),
        "legal": legal,
        "moves": moves,
        "log_probs": now + 0.3 * torch.randn(rows, generator=generator),
        "advantages": torch.randn(rows, generator=generator),
        "wdl": torch.softmax(torch.randn(rows, 3, generator=generator), 1),
    }


def reference(data: dict[str, Tensor]) -> tuple[float, float, float, float]:
    """(policy, value, entropy, total) by loops."""
    policy = value = entropy = 0.0
    rows = len(data["moves"])
    for row in range(rows):
        legal = data["legal"][row].nonzero()[:, 0]
        logits = data["logits"][row, legal].double()
        p = torch.exp(logits - torch.logsumexp(logits, 0))
        chosen = float(p[(legal == data["moves"][row]).nonzero()[0, 0]])
        ratio = chosen / math.exp(float(data["log_probs"][row]))
        advantage = float(data["advantages"][row])
        policy -= min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage) / rows
        entropy -= float((p * p.log()).sum()) / rows
        q = torch.softmax(data["value_logits"][row].double(), 0)
        value -= float((data["wdl"][row].double() * q.log()).sum()) / rows
    return policy, value, entropy, policy + 0.7 * value - 0.05 * entropy


def check_gradient(total: Tensor, logits: Tensor, legal: Tensor) -> None:
    """Zero at illegal logits, finite at legal ones."""
    (gradient,) = torch.autograd.grad(total, logits)
    assert torch.equal(gradient[~legal], torch.zeros(int((~legal).sum())))
    assert bool(gradient[legal].isfinite().all())


def test_terms_equal_the_formula_and_illegal_logits_get_no_gradient_even_when_they_are_nan() -> None:
    data = example()
    logits = torch.where(data["legal"], data["logits"], torch.nan).requires_grad_()
    loss = actor_critic_loss(**{**data, "logits": logits, "legal": pack_legal(data["legal"])}, settings=SETTINGS)
    found = [float(loss.parts[name]) for name in ("loss/policy", "loss/value", "policy/entropy")]
    assert (*found, float(loss.total.detach())) == pytest.approx(reference(data), abs=1e-5)
    assert float(loss.parts["policy/kl"]) >= 0
    assert 0 < float(loss.parts["policy/clipped"]) < 1
    check_gradient(loss.total, logits, data["legal"])


def test_the_gradient_is_that_of_ppos_surrogate_where_the_clip_leaves_it() -> None:
    """Written out: a move that went too far the way that its advantage pushes gets no more push."""
    data = example(40)
    masked = data["logits"].double().masked_fill(~data["legal"], -torch.inf).requires_grad_()
    log_prob, advantages = masked.log_softmax(1).gather(1, data["moves"][:, None])[:, 0], data["advantages"].double()
    ratio = (log_prob - data["log_probs"]).exp()
    left = torch.where(advantages > 0, ratio < 1.2, ratio > 0.8)
    assert 10 < int(left.sum()) < 40
    (expected,) = torch.autograd.grad(-(ratio * advantages * left).mean(), masked)
    logits = data["logits"].clone().requires_grad_()
    given = {**data, "logits": logits, "legal": pack_legal(data["legal"])}
    (found,) = torch.autograd.grad(actor_critic_loss(**given, settings=POLICY_ALONE).total, logits)
    assert torch.allclose(found.double(), expected.nan_to_num(), atol=1e-6)


def test_improved_policy_loss_is_cross_entropy_over_legal_moves_alone() -> None:
    data = example()
    rows = [row.nonzero()[:, 0] for row in data["legal"]]
    generator = torch.Generator().manual_seed(4)
    wanted = [torch.rand(len(row), generator=generator).softmax(0) for row in rows]
    offsets = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
    policies = RaggedTargets(offsets, torch.cat(rows), torch.cat(wanted))
    logits = torch.where(data["legal"], data["logits"], torch.nan).requires_grad_()
    rest = {"legal": pack_legal(data["legal"]), "wdl": data["wdl"]}
    loss = improved_policy_loss(logits, data["value_logits"], policies=policies, settings=SETTINGS, **rest)
    expected = kl = 0.0
    for row, target, line in zip(rows, wanted, data["logits"], strict=True):
        logs = line[row].double().log_softmax(0)
        expected -= float((target.double() * logs).sum()) / 6
        kl += float((target.double() * (target.double().log() - logs)).sum()) / 6
    _, value, entropy, _ = reference(data)
    found = [float(loss.parts[name]) for name in ("loss/policy", "policy/kl", "loss/value")]
    assert found == pytest.approx([expected, kl, value], abs=1e-5)
    assert float(loss.total.detach()) == pytest.approx(expected + 0.7 * value - 0.05 * entropy, abs=1e-5)
    check_gradient(loss.total, logits, data["legal"])


def learner(**changes: float) -> Learner:
    torch.manual_seed(0)
    settings = LearnerSettings(device="cpu", batch_size=64, learning_rate=3e-3, **changes)
    return Learner(ResidualNetwork(ResidualArchitecture(blocks=1, channels=16)), settings)


def sampled_batch() -> Batch:
    return sampled([record(24, seed=seed) for seed in range(12)], 32)


def test_learning_rate_falls_along_a_cosine() -> None:
    one = learner(final_learning_rate=1e-3)
    rates = [one.learning_rate(progress) for progress in (0.0, 0.5, 1.0, 2.0)]
    assert rates == pytest.approx([3e-3, 2e-3, 1e-3, 1e-3])


def test_a_loss_that_is_not_finite_leaves_the_weights_alone() -> None:
    one, batch = learner(), sampled_batch()
    before = one.weights()
    batch.wdl[0, 0] = np.nan
    with pytest.raises(LearningError, match="is not finite at step 1; the weights were not touched"):
        one.train(batch, progress=0.0)
    assert all(np.array_equal(before[name], array) for name, array in one.weights().items())


def test_float16_learns_the_same_and_leaves_out_steps_that_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = learner()
    monkeypatch.setattr("training.learner.autocast_dtype", lambda device: torch.float16)
    scaled, batch = learner(), sampled_batch()
    for one in (plain, scaled):
        for _ in range(3):
            one.train(batch, progress=0.0)
    before = scaled.weights()
    assert all(np.allclose(before[name], array, atol=1e-5) for name, array in plain.weights().items())
    scale = scaled._scaler.get_scale()
    assert scale > 1
    broken = next(scaled.network.parameters())
    hook = broken.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    scaled.train(batch, progress=0.0)
    hook.remove()
    assert all(np.array_equal(before[name], array) for name, array in scaled.weights().items())
    assert scaled._scaler.get_scale() == scale / 2
    good, batch.wdl[0, 0] = batch.wdl[0, 0], np.nan
    with pytest.raises(LearningError, match="is not finite"):
        scaled.train(batch, progress=0.0)
    batch.wdl[0, 0] = good
    scaled.train(batch, progress=0.0)
    assert not all(np.array_equal(before[name], array) for name, array in scaled.weights().items())
