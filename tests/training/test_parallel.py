"""A batch shared by processes teaches what it teaches one: the same weights after the same batches, within rounding."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch

from agent.errors import InputError
from agent.networks.network import Network
from agent.networks.registry import make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from tests.training.records import record, searched
from training.cluster import ray_for
from training.learner import Learner, LearningError
from training.parallel import ParallelLearner, make_learner
from training.replay import Batch, ReplayBuffer
from training.settings import LearnerSettings, load_settings
from training.targets import targets


def batches(number: int, *, with_search: bool) -> list[Batch]:
    replay = ReplayBuffer(400, entries_per_ply=40 * with_search)
    for seed in range(12):
        game = (searched if with_search else record)(24, seed=seed)
        replay.add(game, targets(game, adjudication=0.5, gae_lambda=0.9))
    return [replay.sample(32, np.random.default_rng(seed)) for seed in range(number)]


def settings(workers: int) -> LearnerSettings:
    asked = [f"learner.workers={workers}", "learner.batch_size=32", "learner.learning_rate=0.01", "run.steps=1"]
    return load_settings(None, [*asked, "learner.device=cpu"]).learner


def network(kind: str) -> Network:
    torch.manual_seed(5)
    small: Any = ResidualArchitecture(1, 8) if kind == "residual" else SparseArchitecture(width=64, hidden=32)
    return make_network(small)


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    with ray_for(load_settings("demo", ["learner.workers=2"]), None):
        yield


@pytest.mark.parametrize(("kind", "with_search"), [("residual", False), ("sparse", True)])
def test_two_processes_learn_what_one_learns(kind: str, with_search: bool) -> None:
    given = batches(6, with_search=with_search)
    alone = Learner(network(kind), settings(1), searched=with_search)
    untrained = {name: array.copy() for name, array in alone.weights().items()}
    with closing(ParallelLearner(network(kind), settings(2), searched=with_search)) as both:
        for number, batch in enumerate(given):
            alone.train(batch, progress=number / 6)
            both.train(batch, progress=number / 6)
        one, two = alone.means.take(), both.means.take()
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=2e-3, abs=2e-4), name
        mine, theirs = alone.meter.take(), both.meter.take()
        assert mine.distributions == theirs.distributions == 6 * 32
        assert theirs.largest == 0.0
        moved = max(float(np.abs(array - untrained[name]).max()) for name, array in alone.weights().items())
        for name, array in alone.weights().items():
            apart = np.abs(array - both.weights()[name]).max()
            assert apart < 1e-3 * moved, (name, apart, moved)


def test_a_rescue_in_one_process_reaches_all() -> None:
    """After a loss that is not finite, and back to old weights, both go on together as one would."""
    given = batches(4, with_search=False)
    alone = Learner(network("residual"), settings(1))
    with closing(ParallelLearner(network("residual"), settings(2), searched=False)) as both:
        for learner in (alone, both):
            learner.train(given[0], progress=0)
            weights = {name: torch.from_numpy(array) for name, array in learner.weights().items()}
            state = learner.state_arrays()
            with torch.no_grad():
                next(learner.network.parameters()).fill_(float("nan"))
            with pytest.raises(LearningError, match="is not finite"):
                learner.train(given[1], progress=0)
            learner.network.load_state_dict(weights)
            learner.restore(state)
            for batch in given[2:]:
                learner.train(batch, progress=0)
        for name, array in alone.weights().items():
            assert np.allclose(array, both.weights()[name], atol=1e-4), name


def test_a_batch_that_cannot_be_split_evenly_is_refused() -> None:
    with pytest.raises(InputError, match=r"batch_size=32 cannot be split evenly between learner.workers=3"):
        make_learner(network("residual"), settings(3), searched=False)
