"""The learner: learns what it is shown, stops at what is broken, goes on bit for bit."""

import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.networks import policy
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassError
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.rules import Termination
from kernels import unpack_legal
from selfplay.record import RaggedPolicy
from tests.training.records import record
from training.learner import Learner, LearningError
from training.replay import Batch, ReplayBuffer
from training.settings import LearnerSettings
from training.targets import targets


def learner(seed: int = 0, **changes: float) -> Learner:
    torch.manual_seed(seed)
    settings = LearnerSettings(device="cpu", batch_size=64, learning_rate=3e-3, **changes)
    return Learner(ResidualNetwork(ResidualArchitecture(blocks=1, channels=16)), settings)


def filled() -> ReplayBuffer:
    replay = ReplayBuffer(2000)
    for seed in range(8):
        game = record(30, seed=seed, outcome=1, termination=Termination.CHECKMATE)
        replay.add(game, targets(game, adjudication=0.0, gae_lambda=0.95))
    return replay


def test_value_loss_falls_to_the_fixed_results_it_is_shown() -> None:
    """White wins every game, so whose move it is decides everything: castling rights and clocks tell it apart."""
    one, replay, generator = learner(entropy_bonus=0.0), filled(), np.random.default_rng(0)
    losses = []
    for _ in range(200):
        one.train(replay.sample(64, generator), progress=0.0)
        losses.append(one.means.take()["loss/value"])
    assert losses[0] > 0.9
    assert losses[-1] < 0.5 * losses[0]


def test_a_move_that_did_well_becomes_more_probable_and_a_bad_one_less() -> None:
    one = learner(value_weight=0.0, entropy_bonus=0.0)
    position = rules.start(2)
    good, bad = vocabulary.from_uci("e2e4", black=False), vocabulary.from_uci("a2a3", black=False)
    legal = torch.from_numpy(rules.legal_bits(position))

    def log_probs() -> torch.Tensor:
        evaluation = Evaluator(one.network).evaluate(position)
        one.network.train()
        probabilities = policy.MaskedPolicy(evaluation.logits, legal).probabilities
        return probabilities[torch.arange(2), torch.tensor([good, bad])].log()

    before = log_probs()
    thirds, advantages = np.full((2, 3), 1 / 3, np.float32), np.array([1.0, -1.0], np.float32)
    rest = thirds, advantages, np.zeros(2, np.int32), RaggedPolicy.empty(2)
    batch = Batch(position, np.array([good, bad]), before.numpy(), *rest)
    for _ in range(3):
        one.train(batch, progress=0.0)
    better, worse = (log_probs() - before).tolist()
    assert worse < -0.01 < 0.01 < better


def test_restored_optimizer_goes_on_bit_for_bit() -> None:
    one, replay = learner(), filled()
    generator = np.random.default_rng(3)
    for _ in range(3):
        one.train(replay.sample(64, generator), progress=0.2)
    twin = learner(seed=9)
    twin.network.load_state_dict(one.network.state_dict())
    twin.restore(one.state_arrays())
    batch = replay.sample(64, generator)
    for each in (one, twin):
        each.train(batch, progress=0.2)
    assert all(np.array_equal(array, twin.weights()[name]) for name, array in one.weights().items())


def test_learning_rate_falls_along_a_cosine() -> None:
    one = learner(final_learning_rate=1e-3)
    rates = [one.learning_rate(progress) for progress in (0.0, 0.5, 1.0, 2.0)]
    assert rates == pytest.approx([3e-3, 2e-3, 1e-3, 1e-3])


def test_a_broken_mask_stops_the_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "masked_softmax", lambda x, *, legal: (x * unpack_legal(legal, size=1880)).softmax(-1))
    with pytest.raises(InvalidMassError, match=r"invalid mass 0\.\d+ in position"):
        learner().train(filled().sample(64, np.random.default_rng(0)), progress=0.0)


def test_a_loss_that_is_not_finite_leaves_the_weights_alone() -> None:
    one = learner()
    before = one.weights()
    batch = filled().sample(64, np.random.default_rng(0))
    batch.wdl[0, 0] = np.nan
    with pytest.raises(LearningError, match="is not finite at step 1; the weights were not touched"):
        one.train(batch, progress=0.0)
    assert all(np.array_equal(before[name], array) for name, array in one.weights().items())
