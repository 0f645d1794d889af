"""Which weights to play with: a named file, a run's newest checkpoint, or the bundled file."""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from agent.errors import InputError
from agent.networks.weights import Weights, load_weights
from agent.runs import checkpoint_weights, find_run

BUNDLED: Final = Path(__file__).parent.parent / "data" / "zeromass.safetensors"
"""The bundled weights: the strongest network trained with this code so far; see docs/learning.md."""


class FoundWeights(NamedTuple):
    """Weights, and where they were found."""

    weights: Weights
    origin: str  # which weights these are, for messages, without a full stop
    warnings: tuple[str, ...]  # one sentence for each checkpoint that had to be skipped


def find_weights(weights: Path | None = None, run: str | None = None) -> FoundWeights:
    """Load `weights`, else the newest valid checkpoint of `run`, else the bundled weights. `run` is a run folder, by
    its name below runs/ or by path. An InputError where the file is missing or damaged, there is no such run, or it
    has no valid checkpoint."""
    if weights is not None:
        return FoundWeights(load_weights(weights), f"weights of {weights}", ())
    if run is None:
        return FoundWeights(load_weights(BUNDLED), "the bundled weights", ())
    folder = find_run(run)
    warnings: list[str] = []
    for file in checkpoint_weights(folder):
        try:
            origin = f"run {folder.name}, {file.parent.name.replace('-', ' ')}"
            return FoundWeights(load_weights(file), origin, tuple(warnings))
        except InputError as error:
            warnings.append(f"skipped: {error}")
    why = warnings[-1] if warnings else "it has not written one yet"
    raise InputError(f"run '{run}' has no valid checkpoint ({why}); let it train until the first is written")


def identity(weights: Weights) -> str:
    """The weights as PGN headers name them: a fingerprint of their numbers, then run, step and version if known."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.tensors.items()):
        digest.update(f"{name} {tensor.shape} torch.{tensor.dtype}".encode())
        digest.update(tensor.tobytes())
    known = [f"{key} {weights.provenance[key]}" for key in ("run", "step", "version") if key in weights.provenance]
    return " ".join([f"sha256:{digest.hexdigest()[:16]}", *known])
