"""The agent as people and programs meet it: loaded weights that think about python-chess boards."""

from collections.abc import Callable
from pathlib import Path

import chess

from agent.compilation import warm_up
from agent.engine.limits import Limits
from agent.engine.thinker import MEGABYTES, Thinker
from agent.networks.bundled import find_weights, identity
from agent.networks.weights import Weights
from agent.search import CompiledEvaluator, SearchSettings


class Agent:
    """Weights and search, which choose moves. For one thread at a time. `origin` says which weights these are, without
    a full stop; `warnings` has a sentence for each checkpoint that was skipped; `identity` is the weights' fingerprint
    and version, as PGN headers name them; `set_threads` lets the search use as many threads, None: it can use one;
    `weights` are those of the network that thinks, where it is known."""

    def __init__(
        self,
        thinker: Thinker,
        origin: str,
        warnings: tuple[str, ...] = (),
        *,
        identity: str = "",
        set_threads: Callable[[int], None] | None = None,
        weights: Weights | None = None,
    ) -> None:
        self.weights = weights
        self.origin, self.warnings, self.identity = origin, warnings, identity
        # See `Thinker` for what these do.
        self.think, self.forget, self.retune = thinker.think, thinker.forget, thinker.retune
        self._thinker, self._set_threads = thinker, set_threads
        self._megabytes, self._threads = MEGABYTES, 1

    @property
    def settings(self) -> SearchSettings:
        """See `Thinker.settings`."""
        return self._thinker.settings

    def resize(self, megabytes: int, threads: int, say: Callable[[str], None]) -> None:
        """Use search memory of `megabytes` and this many threads; `say` gets a sentence where that is not possible."""
        if megabytes != self._megabytes:
            self._thinker.resize(megabytes)
            self._megabytes = megabytes
        if threads != self._threads:
            self._threads = threads
            if self._set_threads is not None:
                self._set_threads(threads)
            elif threads > 1:
                say(f"Threads {threads} accepted, but the search with this network runs in one thread")


def load_agent(
    weights: Path | None = None, run: str | None = None, *, progress: Callable[[str], None] | None = None
) -> Agent:
    """The agent with the weights that `find_weights` finds (see there, also for the errors), compiled, ready to move.
    `progress` gets lines of text while code is compiled."""
    found = find_weights(weights, run)
    evaluator = found.weights.for_search()
    set_threads: Callable[[int], None] | None = None
    if not isinstance(evaluator, CompiledEvaluator):
        import torch

        set_threads = torch.set_num_threads
        set_threads(1)  # a move evaluates one position at a time: more threads would wait for each other
    thinker = Thinker(evaluator)
    # Compile or load only what thinking needs; else the first move would be slow.
    warm_up(progress, [lambda: thinker.think(chess.Board(), Limits(nodes=64))])
    name, loaded = identity(found.weights), found.weights
    return Agent(thinker, found.origin, found.warnings, identity=name, set_threads=set_threads, weights=loaded)
