"""The benchmarks of self-play and of the learner: equal work is compared, and every figure is reported."""

import itertools
import json
from importlib import import_module
from unittest.mock import patch

import numpy as np
import pytest
import torch

import zeromass
from agent.networks.registry import make_network
from benchmarks import learner as learner_benchmark
from benchmarks import selfplay as selfplay_benchmark
from benchmarks.measuring import value_of
from selfplay.pool import LocalPool
from training.assembly import make_replay
from training.learner import Learner
from training.settings import load_settings

TINY = ["selfplay.games=4", "selfplay.ply_cap=16", "selfplay.plies_per_call=4", "learner.batch_size=32"]


@pytest.mark.parametrize("case", list(learner_benchmark.CASES))
def test_the_plain_step_is_the_learners_step(case: str) -> None:
    """The same loss and the same gradients, to rounding."""
    config, overrides = learner_benchmark.CASES[case]
    settings = load_settings(config, [*overrides, *TINY])
    searched = settings.selfplay.simulations > 0
    torch.manual_seed(0)
    networks = [make_network(settings.network.architecture) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    batch = learner_benchmark.filled_replay(settings, 64).sample(32, np.random.default_rng(0))
    ours = Learner(networks[0], settings.learner, searched=searched)
    ours.train(batch, progress=0.0)
    loss = learner_benchmark.PlainLearner(networks[1], settings.learner, searched=searched, device=ours.device).train(
        batch
    )
    assert ours.means.take()["loss/total"] == pytest.approx(loss, rel=1e-5)
    for one, two in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_learner_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = "benchmark learner --json --rounds 1 --seconds 0.01"
    assert zeromass.main([*words.split(), *TINY]) == 0
    found = json.loads(capsys.readouterr().out)
    cases = list(learner_benchmark.CASES)
    assert [(row["case"], row["contender"]) for row in found["ratios"]] == [(case, "plain") for case in cases]
    for case, row in zip(cases, found["ratios"], strict=True):
        assert row["value"] == pytest.approx(value_of(found, case, "ours") / value_of(found, case, "plain"))
    assert len(learner_benchmark.show(found)) == 2


def test_what_is_driven_is_counted_sent_and_published() -> None:
    settings = load_settings("demo", [*TINY, "learner.publish_steps=1"])
    actors = settings.actor
    weights = {name: tensor.numpy().copy() for name, tensor in make_network(actors.architecture).state_dict().items()}
    pool, replay = LocalPool(actors), make_replay(settings)
    pool.publish(weights, 0)
    clock = itertools.count(0, 0.01)
    with patch("benchmarks.selfplay.perf_counter", lambda: next(clock)):
        speed, batches = selfplay_benchmark.drive(pool, replay, settings, weights, seconds=0.5)
    taken, version = next(clock) - 0.01, pool.collect(wait=True)[0].version
    assert taken >= 0.5
    assert round(speed * taken) >= replay.added > 0  # plies of games that have not ended too
    assert version > 0
    assert 64 < selfplay_benchmark.bytes_a_position(batches) < 1000


@pytest.mark.slow
def test_selfplay_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = "benchmark selfplay --json --rounds 1 --seconds 0.3 learner.publish_steps=1"
    assert zeromass.main([*words.split(), *TINY, "selfplay.actors=1"]) == 0
    found = json.loads(capsys.readouterr().out)
    for mode in selfplay_benchmark.MODES:
        for case in ("plain processes", selfplay_benchmark.ACTORS):
            assert value_of(found, case, mode) > 0
        assert value_of(found, "a position as sent, bytes", mode) > 64
    assert len(selfplay_benchmark.show(found)) == 2
    for ratio in found["ratios"]:
        assert 0 < ratio["low"] <= ratio["value"] <= ratio["high"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["rules", "search"])
def test_speeds_are_shown_in_one_table(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.rules.start_seconds", lambda: (2.0, 0.1))
    module = import_module(f"benchmarks.{what}")
    found = module.run(rounds=1, seconds=0.001)
    assert min(row["value"] for row in found["results"] + found["ratios"]) > 0
    shown, line = module.show(found)
    assert shown.row_count == len({row["case"] for row in found["results"]} - {"start"})
    assert line
