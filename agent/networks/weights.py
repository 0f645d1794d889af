"""Weights files: safetensors with the architecture and the provenance in the metadata. Nothing else is ever loaded."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from agent import vocabulary
from agent.errors import InputError, printable
from agent.files import what_is, write_atomic
from agent.networks.contract import Architecture, CompiledEvaluator, LeafEvaluator
from agent.networks.registry import KINDS, architecture_of, make_evaluator, make_network
from agent.notation import quote

if TYPE_CHECKING:
    from agent.networks.network import Network

LARGEST: Final = 65_504  # of a weight, either way: the largest of float16. Beyond it sums could overflow


@dataclass(frozen=True)
class Weights:
    """A network's weights with what is known about where they came from."""

    architecture: Architecture
    tensors: Mapping[str, NDArray[np.float32]]  # by their names in the network's `state_dict`
    provenance: Mapping[str, str]  # free text by key, for example `run`, `step`, `version`, `zeromass`

    @cached_property
    def network(self) -> "Network":
        """The network in torch, always the same one."""
        import torch

        state = {name: torch.from_numpy(tensor) for name, tensor in self.tensors.items()}
        with torch.device("meta"):  # refuses tensors that do not fit, before memory is taken for those that would
            make_network(self.architecture).load_state_dict(state, assign=True)
        network = make_network(self.architecture)
        network.load_state_dict(state)
        return network.eval()

    def for_search(self) -> LeafEvaluator | CompiledEvaluator:
        """What a search here should be given: a new compiled network, without torch, where the kind has one; else the
        network on the GPU, if there is one."""
        compiled = self.architecture.compiled(self.tensors)
        if compiled is not None:
            return compiled
        import torch

        return make_evaluator(self.network, "cuda" if torch.cuda.is_available() else "cpu").for_search()


def to_bytes(network: "Network", provenance: Mapping[str, str], dtype: type[np.floating] = np.float32) -> bytes:
    """The weights file of `network` as bytes; half of them with `dtype` np.float16, for weights to hand around."""
    tensors = {name: tensor.detach().cpu().numpy().astype(dtype) for name, tensor in network.state_dict().items()}
    ours = {"vocabulary": str(vocabulary.SIZE), "provenance": json.dumps(dict(provenance))}
    return safetensors.numpy.save(tensors, {**network.architecture.metadata(), **ours})


def save_weights(path: Path, network: "Network", provenance: Mapping[str, str]) -> None:
    """Write a weights file; after a crash `path` holds the old file or the new one, whole."""
    write_atomic(path, to_bytes(network, provenance))


def load_weights(path: Path) -> Weights:
    """Read the weights file `path`. An InputError where the file is missing, damaged, not a weights file of ours, made
    for other planes or moves, or holds numbers that no network has."""
    kind = what_is(path)
    if kind != "file" or not path.is_file():
        fault = {"": "does not exist", "folder": "is a folder", "file": "is a pipe or device"}[kind]
        raise InputError(f"weights file '{path}' {fault}; name a .safetensors file written by `zeromass train`")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise InputError(f"weights file '{path}' cannot be read ({error.strerror or error}); use another") from error
    except SafetensorError as error:
        reason = error if path.stat().st_size else "it is empty"
        raise InputError(f"weights file '{path}' is damaged ({reason}); use another copy or checkpoint") from error
    if metadata.get("architecture") not in KINDS:
        fault = f"holds architecture {metadata.get('architecture')!r}, not {' or '.join(map(repr, KINDS))}"
        raise InputError(f"weights file '{path}' {fault}; only files written by `zeromass train` can be used")
    if metadata.get("vocabulary") != str(vocabulary.SIZE):
        fault = f"was made for {metadata.get('vocabulary')} moves, this version has {vocabulary.SIZE}"
        raise InputError(f"weights file '{path}' {fault}; train again")
    try:
        architecture = architecture_of(metadata["architecture"]).from_metadata(metadata)
        _check(architecture, tensors)
        tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
        weights = Weights(architecture, tensors, _read_provenance(metadata.get("provenance", "")))
        _ = architecture.compiled(weights.tensors) or weights.network  # refuse tensors that do not fit
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[:2][-1].strip()[:200]  # torch has it in the second line
        raise InputError(f"weights file '{path}' cannot be used ({reason}); use another") from error
    return weights


def _check(architecture: Architecture, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError for sizes that the file cannot fill, before memory is taken for them, and for broken numbers."""
    largest = max(0, len(tensors), *(size for tensor in tensors.values() for size in tensor.shape if tensor.size))
    if any(size > largest for size in asdict(architecture).values()):
        raise ValueError(f"it says {architecture}, but its largest tensor has {largest} rows")
    for name, tensor in tensors.items():
        if not (abs(tensor) <= LARGEST).all():
            raise ValueError(f"tensor {name} holds NaN, infinity or a number beyond {LARGEST:,}")


def _read_provenance(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"its provenance {quote(text)} is no JSON object")
    return {printable(str(key)): printable(str(value)) for key, value in found.items()}
