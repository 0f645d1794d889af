"""The agent as people and programs meet it: weights found and loaded, thoughts about python-chess boards."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import chess
import torch

from agent.compilation import warm_up
from agent.engine.limits import Control, Limits
from agent.engine.report import Report
from agent.engine.thinker import MEGABYTES, Thinker, Watcher
from agent.errors import InputError
from agent.networks.registry import make_evaluator
from agent.networks.weights import Weights, load_weights
from agent.runs import RUNS, checkpoint_weights, find_run
from agent.search import CompiledEvaluator, SearchSettings

BUNDLED: Final = Path(__file__).parent.parent / "data" / "zeromass.safetensors"
"""The strongest network trained with this code so far; see docs/learning.md."""


class Thinking(Protocol):
    """What an `Opponent` thinks with: a `Thinker`, or a stand-in of the same shape."""

    def think(
        self,
        board: chess.Board,
        limits: Limits,
        *,
        control: Control | None = None,
        watch: Watcher | None = None,
        lines: int = 1,
        keep: int | None = None,
        temperature: float = 0.0,
        overhead: float = 0.0,
        key: int = 0,
        seed: int = 0,
        proofs: bool = True,
    ) -> Report:
        """See `Thinker.think`."""
        ...

    def resize(self, megabytes: int) -> None:
        """See `Thinker.resize`."""
        ...

    def simulations_in(self, seconds: float) -> int:
        """See `Thinker.simulations_in`."""
        ...

    @property
    def settings(self) -> SearchSettings:
        """See `Thinker.settings`."""
        ...

    def retune(self, settings: SearchSettings) -> None:
        """See `Thinker.retune`."""
        ...


class Opponent:
    """The agent with the name and the story of its weights. For one thread at a time.

    Args:
        thinker: what it thinks with.
        origin: one sentence without a full stop: which weights these are.
        warnings: sentences about checkpoints that had to be skipped.
        identity: the weights' fingerprint and version, as PGN headers name them.
        one_thread: whether the search can use one thread only.
    """

    def __init__(
        self,
        thinker: Thinking,
        origin: str,
        warnings: tuple[str, ...] = (),
        *,
        identity: str = "",
        one_thread: bool = True,
    ) -> None:
        self.origin, self.warnings, self.identity = origin, warnings, identity
        self.think = thinker.think
        """See `Thinker.think`."""
        self.simulations_in = thinker.simulations_in
        """See `Thinker.simulations_in`."""
        self.retune = thinker.retune
        """See `Thinker.retune`."""
        self._thinker, self._one_thread = thinker, one_thread
        self._megabytes, self._threads = MEGABYTES, 1

    @property
    def settings(self) -> SearchSettings:
        """See `Thinker.settings`."""
        return self._thinker.settings

    def resize(self, megabytes: int, threads: int, tell: Callable[[str], None]) -> None:
        """Take a tree of `megabytes` and use `threads`, or `tell` why not."""
        if megabytes != self._megabytes:
            self._thinker.resize(megabytes)
            self._megabytes = megabytes
        if threads != self._threads:
            self._threads = threads
            if not self._one_thread:
                torch.set_num_threads(threads)
            elif threads > 1:
                tell(f"Threads {threads} accepted, but the search with this network runs in one thread")


class FoundWeights(NamedTuple):
    """Weights with the story of how they were found."""

    weights: Weights
    origin: str
    """One sentence without a full stop: which weights these are."""
    warnings: tuple[str, ...]
    """Sentences about checkpoints that had to be skipped."""


def find_weights(weights: Path | None = None, run: str | None = None, *, runs: Path = RUNS) -> FoundWeights:
    """Load `weights`, else the newest checkpoint of `run`, else the weights that ship.

    Args:
        weights: a weights file.
        run: a run folder, by its name below `runs` or by path.
        runs: where run folders are.

    Raises:
        InputError: the file is missing or damaged, there is no such run, or it has no whole checkpoint.
    """
    warnings: list[str] = []
    if weights is not None:
        loaded, origin = load_weights(weights), f"weights of {weights}"
    elif run is not None:
        loaded, origin = _of_run(run, runs, warnings)
    else:
        loaded, origin = load_weights(BUNDLED), "the weights that ship with ZeroMass"
    return FoundWeights(loaded, origin, tuple(warnings))


def load_opponent(
    weights: Path | None = None,
    run: str | None = None,
    *,
    runs: Path = RUNS,
    progress: Callable[[str], None] | None = None,
) -> Opponent:
    """The agent with the weights that `find_weights` finds, ready to move at once.

    Args:
        weights: see `find_weights`, also for `run`, `runs` and the errors raised.
        run: a run folder.
        runs: where run folders are.
        progress: gets lines of text while code is compiled.
    """
    torch.set_num_threads(1)  # a move is one position at a time: threads would only wait for each other
    found = find_weights(weights, run, runs=runs)
    network = make_evaluator(found.weights.network).for_search()
    compiled = isinstance(network, CompiledEvaluator)
    thinker = Thinker(network)
    # Only what thinking needs is compiled or read; the first thought would be slow.
    warm_up(progress, [lambda: thinker.think(chess.Board(), Limits(simulations=64))])
    return Opponent(thinker, found.origin, found.warnings, identity=identity(found.weights), one_thread=compiled)


def identity(weights: Weights) -> str:
    """The weights as PGN headers name them: the fingerprint of their numbers, then run, step and version if known."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    known = [f"{key} {weights.provenance[key]}" for key in ("run", "step", "version") if key in weights.provenance]
    return " ".join([f"sha256:{digest.hexdigest()[:16]}", *known])


def _of_run(name: str, runs: Path, warnings: list[str]) -> tuple[Weights, str]:
    folder = find_run(name, runs)
    found = _newest(folder, warnings)
    if found is None:
        why = warnings[-1] if warnings else "it has made none yet"
        raise InputError(f"run '{name}' has no whole checkpoint ({why}); let it train until the first is written")
    return found


def _newest(folder: Path, warnings: list[str]) -> tuple[Weights, str] | None:
    """The newest checkpoint of `folder` that loads; those skipped are named in `warnings`."""
    for file in checkpoint_weights(folder):
        try:
            return load_weights(file), f"run {folder.name}, {file.parent.name.replace('-', ' ')}"
        except InputError as error:
            warnings.append(f"skipped: {error}")
    return None
