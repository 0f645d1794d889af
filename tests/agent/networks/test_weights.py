"""Weights files: whole round trips, and a sentence for every way in which a file can be wrong."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from agent.errors import InputError
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from agent.networks.weights import load_weights, save_weights, to_bytes


def small_weights(folder: Path) -> Path:
    """A weights file of a small residual network."""
    torch.manual_seed(3)
    path = folder / "weights.safetensors"
    save_weights(path, ResidualNetwork(ResidualArchitecture(blocks=1, channels=8)), {"run": "test", "step": "7"})
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return small_weights(tmp_path)


def test_half_precision_is_half_as_large_and_loads_as_float32(path: Path, tmp_path: Path) -> None:
    network = load_weights(path).network
    half = tmp_path / "half.safetensors"
    half.write_bytes(to_bytes(network, {"run": "test"}, np.float16))
    assert half.stat().st_size < 0.6 * path.stat().st_size
    for name, tensor in load_weights(half).network.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=2**-11, atol=2**-24)


def rewritten(path: Path, tensors: Callable[[dict[str, Tensor]], object], **metadata: str) -> None:
    """The same weights file with some entries changed."""
    with safe_open(path, framework="pt") as file:
        before, kept = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors(kept)
    safetensors.torch.save_file(kept, path, {**before, **metadata})


def folder(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "is a folder"


def cut(path: Path, keep: int) -> str:
    path.write_bytes(path.read_bytes()[:keep])
    return "is damaged" if keep else r"is damaged \(it is empty\)"


def altered(path: Path, value: float, dtype: torch.dtype = torch.float32) -> str:
    rewritten(path, lambda kept: kept.update({"value_out.bias": torch.tensor([0.0, value, 0.0], dtype=dtype)}))
    return "tensor value_out.bias holds NaN"


def described(path: Path, reason: str, **metadata: str) -> str:
    rewritten(path, lambda kept: None, **metadata)
    return reason


def replaced(path: Path, save: Callable[[Any, Path], object], reason: str) -> str:
    save({"x": torch.zeros(1)}, path)
    return reason


def reshaped(path: Path) -> str:
    rewritten(path, lambda kept: kept.update({"value_out.bias": torch.zeros(4)}))
    return "size mismatch for value_out.bias"


def lacking(path: Path) -> str:
    rewritten(path, lambda kept: kept.pop("value_out.bias"))
    return "Missing key.*value_out.bias"


BROKEN: dict[str, Callable[[Path], str]] = {
    "missing": lambda path: path.unlink() or "does not exist",  # type: ignore[func-returns-value]
    "folder": folder,
    **{f"first {keep} bytes": functools.partial(cut, keep=keep) for keep in (0, 5, 100, 5000, -1)},
    **{f"{value}": functools.partial(altered, value=value) for value in (math.nan, math.inf, -math.inf, 1e30)},
    "too large for float32": functools.partial(altered, value=1e300, dtype=torch.float64),
    "shape": reshaped,
    "lacking": lacking,
    "provenance is a list": lambda path: described(path, r"provenance '\[1\]' is no", provenance="[1]"),
    "provenance is text": lambda path: described(path, "provenance 'me' is no JSON object", provenance="me"),
    "provenance is deep": lambda path: described(path, r"provenance '\[\[.*\.\.\.' is no", provenance="[" * 99_999),
    "size without a number": lambda path: described(path, "'many'", channels="many"),
    "size beyond memory": lambda path: described(path, "its largest tensor has", channels="99999999"),
    "size beyond time": lambda path: described(path, "its largest tensor has", blocks="9999999999"),
    "negative size": lambda path: described(path, "cannot be used", channels="-8"),
    "another size": lambda path: described(path, "cannot be used", channels="9"),
    "other planes": lambda path: described(path, "it reads 20 input planes, this version has 21", planes="20"),
    "pickle": functools.partial(replaced, save=torch.save, reason="is damaged"),
    "other tensors": functools.partial(replaced, save=safetensors.torch.save_file, reason="holds architecture None"),
}
"""Ways to break a weights file; each returns a pattern of what is said then."""


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file(path: Path, name: str) -> None:
    reason = BROKEN[name](path)
    with pytest.raises(InputError, match=f"^weights file '{path}'.*{reason}"):
        load_weights(path)


def test_sparse_networks_with_features_of_older_versions(tmp_path: Path) -> None:
    """The bundled weights name features that were settings once; files with other values are refused."""
    path = tmp_path / "sparse.safetensors"
    save_weights(path, SparseNetwork(SparseArchitecture(width=64, hidden=32)), {})
    for extra, fits in (({"phases": "1", "threats": "True"}, True), ({"phases": "8"}, False)):
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        safetensors.torch.save_file(tensors, path, {**metadata, **extra})
        if fits:
            assert load_weights(path).network.architecture == SparseArchitecture(width=64, hidden=32)
        else:
            with pytest.raises(InputError, match="phases=8 are no longer supported"):
                load_weights(path)


@pytest.mark.parametrize(
    ("name", "shape"), [("hidden.weight", (32, 64)), ("policy.bias", ()), ("kinds.bias", None), ("phases", (2,))]
)
def test_sparse_tensors_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...] | None, tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    save_weights(path, SparseNetwork(SparseArchitecture(width=64, hidden=32)), {})
    with safe_open(path, framework="np") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    tensors |= {name: np.zeros(shape or (), np.float32)}
    if shape is None:
        del tensors[name]
    safetensors.numpy.save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=rf"cannot be used \(tensor {name} has shape"):
        load_weights(path)
