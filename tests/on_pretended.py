"""What only shows on a GPU, on the pretended one: `TRITON_INTERPRET=1 pytest -p tests.pretended tests/on_pretended.py`.

`tests/test_pretended.py` runs it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zeromass
from agent.networks.network import Network
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings
from agent.search.gumbel import batched, search
from agent.search.gumbel.result import SearchResult
from tests import pretended
from tests.training.records import record, sampled, searched
from training.learner import Learner
from training.replay import Batch
from training.settings import LearnerSettings

BATCH = 64
SMALL = (
    "run.minutes=null run.steps=2 run.name=it network.blocks=1 network.channels=8 selfplay.actors=0 selfplay.games=4 "
    "selfplay.ply_cap=10 selfplay.opening_plies=4 learner.batch_size=8 learner.publish_steps=1 replay.warmup=16 "
    "replay.capacity=600 log.steps=1 evaluation.games=0"
)


def batch(*, with_search: bool) -> Batch:
    games = [(searched if with_search else record)(24, seed=seed) for seed in range(12)]
    return sampled(games, BATCH, entries_per_ply=40 * with_search, seed=1)


def network() -> Network:
    torch.manual_seed(1)
    return make_network(ResidualArchitecture(1, 8))


@pytest.mark.parametrize("with_search", [False, True])
def test_a_learner_sends_positions_and_waits_twice_at_most(with_search: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROMASS_KERNELS_BACKEND", "torch")
    given = batch(with_search=with_search)
    gpu = Learner(network(), LearnerSettings(device="cuda"), searched=with_search)
    cpu = Learner(network(), LearnerSettings(device="cpu"), searched=with_search)
    assert pretended.on_device(next(gpu.network.parameters()))
    for step in range(3):
        waits, sent = pretended.synchronisations(), pretended.counts["bytes to device"]
        gpu.train(given, progress=0.0)
        cpu.train(given, progress=0.0)
        if step:  # at first python-chess looks at a row, too
            assert 1 <= pretended.synchronisations() - waits <= 2, pretended.counts
            packed = sum(array.nbytes for array in vars(given).values() if isinstance(array, np.ndarray))
            entries = given.policies.indices.nbytes * 2 + given.policies.offsets.nbytes
            legality = 2 * BATCH * 59 * 4  # of the mask, and of the meter
            assert pretended.counts["bytes to device"] - sent <= packed + entries + legality
    ours, theirs = gpu.means.take(), cpu.means.take()
    assert {name: pytest.approx(value, rel=0.05, abs=0.05) for name, value in theirs.items()} == ours


def test_one_half_of_the_games_walks_while_the_other_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator, walk = make_evaluator(network(), "cuda", runtime="graphs"), batched.walk_games

    def walked(*arguments: Any) -> Any:
        pretended.order.append("walk")
        return walk(*arguments)

    def searched_games() -> SearchResult:
        pretended.order.clear()
        return GumbelSearch(SearchSettings(simulations=12), evaluator).run(Games(6), np.arange(6), seed=3)

    monkeypatch.setattr(search, "walk_games", walked)
    in_halves, order = searched_games(), list(pretended.order)
    assert order[:8] == ["launch", "launch", "wait", "walk", "launch", "wait", "walk", "launch"]
    assert order.count("launch") == order.count("wait") == order.count("walk") > 20
    monkeypatch.setattr(evaluator, "overlaps", False)
    whole = searched_games()
    assert pretended.order[:6] == ["launch", "wait", "walk"] * 2
    for one, other in zip(in_halves, whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("config", "more", "selfplay", "learner"),
    [
        ("gpu-demo", "", "masked_sample masked_softmax invalid_mass", "policy_terms policy_terms_backward"),
        # What a search improved is in the memory of the CPU, and checked there.
        ("gpu", "selfplay.simulations=2", "legal_log_probs", "cross_entropy cross_entropy_backward"),
    ],
)
def test_whole_runs_pass_through_triton(
    config: str, more: str, selfplay: str, learner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def summary(*words: str) -> dict[str, Any]:
        assert zeromass.main(["train", *words]) == 0, capsys.readouterr()
        found: dict[str, Any] = json.loads((tmp_path / "it" / "summary.json").read_text())
        assert found["distributions"] > found["largest_invalid_mass"] == 0.0
        return found

    first = summary(config, f"run.folder={tmp_path}", *SMALL.split(), *more.split())
    for side, needed in (("selfplay_kernels", selfplay), ("learner_kernels", learner)):
        assert all(first[side].get(f"{op}.triton", 0) > 0 for op in needed.split()), first[side]
    assert summary("--resume", str(tmp_path / "it"), "run.steps=3")["steps"] == 3
