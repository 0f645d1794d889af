"""The choice of a runtime: measured once, kept, verified when read; only runtimes that one can rely on."""

import copy
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules
from agent.errors import InputError
from agent.networks.evaluator import ChannelsLastEvaluator, Evaluator, LegalEvaluation
from agent.networks.evaluators import make_evaluator
from agent.networks.residual import packed as evaluator_packed
from agent.networks.residual import runtimes as choice
from agent.networks.residual.network import Architecture, Network
from agent.networks.residual.packed import PackedEvaluator, packed_dtypes
from agent.networks.residual.runtimes import Figures, choose, make_runtime, measured
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings

CPU = torch.device("cpu")
PACKED = {torch.float32: "packed", torch.bfloat16: "bfloat16"}
HERE = ["eager", "channels_last", *(PACKED[dtype] for dtype in packed_dtypes())]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is read from, or written to, the user's cache."""
    monkeypatch.setattr(choice, "base_folder", lambda: tmp_path)
    monkeypatch.setattr(choice, "_SECONDS", 0.0)
    return tmp_path


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    fresh = Network(Architecture(blocks=1, channels=8))
    torch.nn.init.constant_(fresh.get_parameter("tower.0.scale"), 0.5)
    return fresh


def figures(unsteady: tuple[str, ...] = (), **rates: float) -> Figures:
    return Figures({}, rates, unsteady)


def test_bfloat16_is_for_those_who_allow_it() -> None:
    found = figures(eager=1.0, channels_last=2.0, packed=3.0, bfloat16=4.0)
    assert found.fastest(reduced=True) == "bfloat16"
    assert found.fastest(reduced=False) == "packed"


def test_a_runtime_whose_rows_depend_on_the_batch_is_not_taken() -> None:
    found = figures(("packed", "bfloat16", "eager"), eager=1.0, packed=3.0, bfloat16=4.0)
    assert found.fastest(reduced=True) == "eager"


def test_graphs_need_not_be_steadier_than_eager_torch_on_cuda() -> None:
    assert figures(("eager", "graphs"), eager=1.0, graphs=2.0).fastest(reduced=False) == "graphs"
    assert figures(("eager", "graphs"), eager=2.0, graphs=1.0).fastest(reduced=False) == "eager"


def test_rows_that_depend_on_their_batch_are_noticed() -> None:
    class Drifting(Evaluator):
        def evaluate_legal(self, positions: Any, moves: Any, counts: Any) -> LegalEvaluation:
            found = super().evaluate_legal(positions, moves, counts)
            return LegalEvaluation(found.logits, found.values + np.float32(1e-6 * (len(positions) == 16)))

    positions = choice._positions()
    assert choice._steady(Evaluator(network()), *positions)
    assert not choice._steady(Drifting(network()), *positions)


def test_a_runtime_that_fails_here_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Network) -> Evaluator:
        raise RuntimeError("no such instruction\nat line 5")

    makers = choice._makers(CPU)
    monkeypatch.setattr(choice, "_makers", lambda _: {**makers, "packed": broken})
    for found in (measured(network(), CPU), measured(network(), CPU)):  # measured, and read
        assert found.failed == {"packed": "no such instruction"}
        assert "packed" not in found.positions_per_second
    monkeypatch.setattr(choice, "_makers", lambda _: {"eager": broken})
    with pytest.raises(RuntimeError, match="no such instruction"):
        measured(Network(Architecture(0, 8)), CPU)


def test_figures_are_measured_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measured(network(), CPU)
    assert list(first.positions_per_second) == HERE
    assert all(rate > 0 for rate in first.positions_per_second.values())
    monkeypatch.setattr(choice, "_measure", lambda *_: pytest.fail("measured again"))
    assert measured(network(1), CPU) == first
    assert len(list((folder / "runtimes").iterdir())) == 1


def test_another_architecture_is_measured_by_itself(folder: Path) -> None:
    measured(network(), CPU)
    measured(Network(Architecture(blocks=0, channels=8)), CPU)
    assert len(list((folder / "runtimes").iterdir())) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("packed", "unheard-of").replace("channels_last", "unheard-of"),
        lambda text: "[]",
        lambda text: json.dumps({**json.loads(text), "positions_per_second": {"eager": -1.0}}),
        lambda text: json.dumps({**json.loads(text), "positions_per_second": {"packed": 5.0}}),
        lambda text: json.dumps({**json.loads(text), "machine": {"processor": "another"}}),
    ],
    ids=["torn", "unknown name", "no object", "negative", "without eager", "another machine"],
)
def test_damaged_figures_are_measured_again(spoil: Any, folder: Path) -> None:
    measured(network(), CPU)
    (file,) = (folder / "runtimes").iterdir()
    file.write_text(spoil(file.read_text()))
    assert list(measured(network(), CPU).positions_per_second) == HERE
    assert json.loads(file.read_text())["positions_per_second"]["eager"] > 0


def test_a_cache_that_cannot_be_written_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(choice, "write_atomic", full)
    assert choose(network(), CPU, reduced=True) in HERE


@pytest.mark.parametrize("reduced", [False, True])
def test_auto_takes_what_was_fastest(reduced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = figures(eager=1.0, channels_last=3.0, bfloat16=4.0 if "bfloat16" in HERE else 2.0)
    monkeypatch.setattr(choice, "_measure", lambda *_: found)
    evaluator = make_evaluator(network(), reduced=reduced)
    wanted = PackedEvaluator if reduced and "bfloat16" in HERE else ChannelsLastEvaluator
    assert type(evaluator) is wanted


@pytest.mark.parametrize("dtypes", [(), (torch.float32,), (torch.float32, torch.bfloat16)], ids=len)
def test_runtimes_are_those_of_the_processor(dtypes: tuple[torch.dtype, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before AVX-512 torch refuses bfloat16 with an error: nothing may ask it to."""
    recorded = Mock()
    monkeypatch.setattr(evaluator_packed, "PackedEvaluator", recorded)
    for module in (choice, evaluator_packed):
        monkeypatch.setattr(module, "packed_dtypes", lambda: dtypes)
    evaluator_packed._exercise()
    assert [call.kwargs["dtype"] for call in recorded.call_args_list] == list(dtypes)
    assert list(choice._makers(CPU)) == ["eager", "channels_last", *(PACKED[dtype] for dtype in dtypes)]
    for dtype in PACKED.keys() - dtypes:
        with pytest.raises(RuntimeError, match=f"no packed convolutions in {dtype} here"):
            PackedEvaluator(network(), dtype=dtype)


def test_names_that_do_not_exist_or_run_here_are_refused() -> None:
    with pytest.raises(InputError, match="runtime 'tensorrt' is unknown; choose one of auto, eager, "):
        make_runtime("tensorrt", network(), CPU)
    with pytest.raises(InputError, match="runtime 'graphs' does not run on this machine's cpu; let 'auto' choose"):
        make_evaluator(network(), runtime="graphs")


@pytest.mark.parametrize("name", HERE)
def test_every_runtime_says_what_eager_torch_says(name: str) -> None:
    positions, moves, counts = choice._positions()
    shared = network(3)
    expected = Evaluator(copy.deepcopy(shared)).evaluate_legal(positions, moves, counts)
    found = make_runtime(name, shared, CPU).evaluate_legal(positions, moves, counts)
    tolerance = 0.01 if name == "bfloat16" else 1e-5
    legal = np.arange(moves.shape[1]) < counts[:, None]
    np.testing.assert_allclose(found.values, expected.values, atol=tolerance)
    # Logits up to a constant: a runtime may normalise them or not.
    assert np.abs(_log_softmax(found.logits, legal) - _log_softmax(expected.logits, legal))[legal].max() < tolerance


def _log_softmax(logits: NDArray[np.float32], legal: NDArray[np.bool_]) -> NDArray[np.float64]:
    wide = np.full(legal.shape, -np.inf)
    wide[:, : logits.shape[1]] = logits
    wide[~legal] = -np.inf
    shifted = wide - wide.max(1, keepdims=True)
    return np.where(legal, shifted - np.log(np.exp(shifted).sum(1, keepdims=True)), 0.0)


@pytest.mark.parametrize("name", HERE)
def test_same_seed_same_move_whatever_else_is_in_the_batch(name: str) -> None:
    """To the bit: policies and values of searches alone and among others, in batches that shrink and grow."""
    positions, _, _ = choice._positions()
    search = GumbelSearch(SearchSettings(simulations=24), make_runtime(name, network(4), CPU))
    games = Games(len(positions))
    games.positions[:] = positions
    together = search.run(games, np.arange(64), seed=5)
    for rows in ([7], [1, 2, 3], list(range(20, 50))):
        apart = search.run(games.take(np.array(rows)), np.array(rows), seed=5)
        for place, row in enumerate(rows):
            one, other = (slice(r.offsets[at], r.offsets[at + 1]) for r, at in ((apart, place), (together, row)))
            np.testing.assert_array_equal(apart.probabilities[one], together.probabilities[other])
            np.testing.assert_array_equal(apart.visits[one], together.visits[other])
            assert apart.values[place] == together.values[row]
            assert apart.moves[place] == together.moves[row]


@pytest.mark.parametrize("name", HERE)
def test_new_weights_are_those_that_answer(name: str) -> None:
    positions, moves, counts = choice._positions()
    one, other = (make_runtime(name, network(seed), CPU) for seed in (1, 2))
    one.load(network(2).state_dict())
    assert rules.count_moves(positions).tolist() == counts.tolist()
    np.testing.assert_array_equal(
        one.evaluate_legal(positions, moves, counts).values, other.evaluate_legal(positions, moves, counts).values
    )
