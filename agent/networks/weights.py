"""Weights files: safetensors with the architecture and the provenance in the metadata. Nothing else is ever loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from agent import vocabulary
from agent.errors import InputError
from agent.files import what_is, write_atomic
from agent.networks.network import Network
from agent.networks.registry import KINDS, make_network


@dataclass(frozen=True)
class Weights:
    """A network with what is known about where it came from."""

    network: Network
    provenance: Mapping[str, str]
    """Free text by key, for example `run`, `step`, `version`, `zeromass`."""


def to_bytes(network: Network, provenance: Mapping[str, str], dtype: torch.dtype = torch.float32) -> bytes:
    """The weights file of `network` as bytes; half of them with `dtype` torch.float16, for weights to hand around."""
    tensors = {name: tensor.detach().to(dtype).cpu().contiguous() for name, tensor in network.state_dict().items()}
    metadata = {
        **network.architecture.metadata(),
        "vocabulary": str(vocabulary.SIZE),
        "provenance": json.dumps(dict(provenance)),
    }
    return safetensors.torch.save(tensors, metadata)


def save_weights(path: Path, network: Network, provenance: Mapping[str, str]) -> None:
    """Write a weights file; after a crash `path` holds the old file or the new one, whole."""
    write_atomic(path, to_bytes(network, provenance))


def load_weights(path: Path) -> Weights:
    """Build the network that `path` describes and fill it.

    Raises:
        InputError: the file is missing, damaged, not a weights file of ours, or made for other planes or moves.
    """
    if what_is(path) != "file":
        raise InputError(f"weights file '{path}' does not exist; name a .safetensors file written by `zeromass train`")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"weights file '{path}' is damaged ({error}); use another copy or checkpoint") from error
    if metadata.get("architecture") not in KINDS:
        raise InputError(
            f"weights file '{path}' holds architecture {metadata.get('architecture')!r}, not "
            f"{' or '.join(map(repr, KINDS))}; only files written by `zeromass train` can be used"
        )
    if metadata.get("vocabulary") != str(vocabulary.SIZE):
        raise InputError(
            f"weights file '{path}' was made for {metadata.get('vocabulary')} moves, this version has "
            f"{vocabulary.SIZE}; train again"
        )
    try:
        network = make_network(KINDS[metadata["architecture"]].architecture.from_metadata(metadata))
        network.load_state_dict(tensors)
        provenance = {str(key): str(value) for key, value in json.loads(metadata["provenance"]).items()}
    except (KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"weights file '{path}' cannot be used ({reason}); use another") from error
    return Weights(network.eval(), provenance)
