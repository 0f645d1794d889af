"""Weights files: whole round trips, and a sentence for every way in which a file can be wrong."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from agent.errors import InputError
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from agent.networks.weights import load_weights, save_weights, to_bytes
from tests.processes import run_python


def small_weights(folder: Path) -> Path:
    """A weights file of a small residual network."""
    torch.manual_seed(3)
    path = folder / "weights.safetensors"
    save_weights(path, ResidualNetwork(ResidualArchitecture(blocks=1, channels=8)), {"run": "test", "step": "7"})
    return path


def test_half_precision_is_half_as_large_and_loads_as_float32(tmp_path: Path) -> None:
    network = load_weights(path := small_weights(tmp_path)).network
    half = tmp_path / "half.safetensors"
    half.write_bytes(to_bytes(network, {"run": "test"}, np.float16))
    assert half.stat().st_size < 0.6 * path.stat().st_size
    for name, tensor in load_weights(half).network.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=2**-11, atol=2**-24)


def test_a_residual_network_plays_on_the_gpu_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Mock()
    monkeypatch.setattr("agent.networks.weights.make_evaluator", made)
    path = small_weights(tmp_path)
    for present, device in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        weights = load_weights(path)
        assert not made.called
        weights.for_search()
        made.assert_called_once_with(weights.network, device)
        made.reset_mock()


def rewritten(path: Path, tensors: Callable[[dict[str, Tensor]], object] = len, **metadata: str) -> None:
    """The same weights file with some entries changed."""
    with safe_open(path, framework="pt") as file:
        before, kept = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors(kept)
    safetensors.torch.save_file(kept, path, {**before, **metadata})


def with_tensor(name: str, tensor: Tensor | None) -> Callable[[Path], object]:
    """Puts a tensor there, or takes it away."""
    return lambda path: rewritten(path, lambda kept: kept.pop(name) if tensor is None else kept.update({name: tensor}))


def with_bias(value: float, dtype: torch.dtype = torch.float32) -> Callable[[Path], object]:
    return with_tensor("value_out.bias", torch.tensor([0.0, value, 0.0], dtype=dtype))


def first_bytes(keep: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:keep])


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "does not exist"),
    (lambda path: (path.unlink(), path.mkdir()), "is a folder"),  # type: ignore[func-returns-value]
    (first_bytes(0), r"is damaged \(it is empty\)"),
    *((first_bytes(keep), "is damaged") for keep in (5, 100, 5000, -1)),
    *((with_bias(value), "tensor value_out.bias holds NaN") for value in (math.nan, math.inf, -math.inf, 1e30)),
    (with_bias(1e300, torch.float64), "tensor value_out.bias holds NaN"),  # too large for float32
    (with_tensor("value_out.bias", torch.zeros(4)), "size mismatch for value_out.bias"),
    (with_tensor("value_out.bias", None), "Missing key.*value_out.bias"),
    (lambda path: rewritten(path, provenance="[1]"), r"provenance '\[1\]' is no"),
    (lambda path: rewritten(path, provenance="me"), "provenance 'me' is no JSON object"),
    (lambda path: rewritten(path, provenance="[" * 99_999), r"provenance '\[\[.*\.\.\.' is no"),
    (lambda path: rewritten(path, channels="many"), "'many'"),
    (lambda path: rewritten(path, channels="99999999"), "its largest tensor has"),  # beyond memory
    (lambda path: rewritten(path, blocks="9999999999"), "its largest tensor has"),  # beyond time
    (lambda path: rewritten(path, channels="-8"), "cannot be used"),
    (lambda path: rewritten(path, channels="9"), "cannot be used"),
    (lambda path: rewritten(path, planes="20"), "it reads 20 input planes, this version has 21"),
    (lambda path: torch.save({"x": torch.zeros(1)}, path), "is damaged"),
    (lambda path: safetensors.torch.save_file({"x": torch.zeros(1)}, path), "holds architecture None"),
]
SPARSE_DAMAGE = [
    (with_tensor("hidden.weight", torch.zeros(32, 64)), r"cannot be used \(tensor hidden.weight has shape"),
    (with_tensor("policy.bias", torch.zeros(())), r"cannot be used \(tensor policy.bias has shape"),
    (with_tensor("kinds.bias", None), r"cannot be used \(tensor kinds.bias has shape"),
    (with_tensor("phases", torch.zeros(2)), r"cannot be used \(tensor phases has shape"),
]


def sparse_weights(folder: Path) -> Path:
    path = folder / "weights.safetensors"
    save_weights(path, SparseNetwork(SparseArchitecture(width=64, hidden=32)), {})
    return path


@pytest.mark.parametrize(
    ("make", "damage", "reason"),
    [*((small_weights, *each) for each in DAMAGE), *((sparse_weights, *each) for each in SPARSE_DAMAGE)],
)
def test_broken(make: Callable[[Path], Path], damage: Callable[[Path], object], reason: str, tmp_path: Path) -> None:
    damage(path := make(tmp_path))
    with pytest.raises(InputError, match=f"^weights file '{path}'.*{reason}"):
        load_weights(path)


@pytest.mark.parametrize(
    ("make", "sizes", "shape"),
    [
        (small_weights, {"blocks": 10**9}, (10**9, 0)),
        (small_weights, {"channels": 40_000}, (1, 40_000)),
        (sparse_weights, {"width": 40_000 * 64}, (1, 40_000 * 64)),
        (sparse_weights, {"hidden": 1_000_000 * 32}, (10**9, 0)),
    ],
)
def test_sizes_without_tensors_take_no_memory(
    make: Callable[[Path], Path], sizes: dict[str, int], shape: tuple[int, ...], tmp_path: Path
) -> None:
    text = {name: str(size) for name, size in sizes.items()}
    rewritten(path := make(tmp_path), lambda kept: kept.update(x=torch.zeros(shape, dtype=torch.float16)), **text)
    code = (
        "import resource, sys, torch; resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30)); "
        "from pathlib import Path; from agent.networks.weights import load_weights; load_weights(Path(sys.argv[1]))"
    )
    said = run_python("-c", code, str(path)).stderr.splitlines()[-1]
    assert re.search(r"InputError: weights file .* cannot be used \((it says|Unexpected|tensor .* has shape)", said)


def test_provenance_is_text_on_one_line(tmp_path: Path) -> None:
    rewritten(path := small_weights(tmp_path), provenance=r'{"run": "a\n[b]\u001b[2J", "step": {"x": 1}}')
    assert load_weights(path).provenance == {"run": r"a [b]\x1b[2J", "step": "{'x': 1}"}
