"""What every kind of network offers: an architecture that can be stored, and answers for a search. Light: no torch.
Shapes: L positions whose legal moves are given, K at least the largest number of legal moves among them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build the same network again; stored with its weights. Each kind of network has a frozen
    dataclass of its own whose fields are whole numbers with defaults."""

    kind: ClassVar[str]  # name of the kind, in settings and in weights files
    parts: ClassVar[str]
    """Module of its parts in torch: `make_network(architecture)`, drawn from torch's global generator, and
    `make_evaluator(network, device, runtime)`, which raises `InputError` where the runtime cannot run."""

    def metadata(self) -> dict[str, str]:
        """As strings, for a weights file."""
        return {"architecture": self.kind, **{key: str(value) for key, value in asdict(self).items()}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """The architecture that `metadata()` described; fields that are missing have their defaults. A ValueError where
        an entry is not what `metadata` writes."""
        return cls(**{each.name: int(metadata[each.name]) for each in fields(cls) if each.name in metadata})

    def compiled(self, tensors: Mapping[str, NDArray[np.float32]] | None = None) -> "CompiledEvaluator | None":
        """The compiled network with these weights, named as in torch's `state_dict`, or zeros; None: there is none. A
        ValueError where a tensor is missing, unknown or of another shape."""
        return None


Positions = NDArray[np.uint64]  # [L, WORDS] packed
Moves = NDArray[np.uint16]  # [L, 224] legal moves of each position as vocabulary indices, of which the first count
Counts = NDArray[np.int32]  # [L] how many


class LegalEvaluation(NamedTuple):
    """What the network says about L positions and their legal moves alone."""

    logits: NDArray[np.float32]  # [L, K] of the legal moves, in their order, normalised or not; undefined past them
    values: NDArray[np.float32]  # [L] expected score -1..1 for the side to move


class CompiledEvaluator(NamedTuple):
    """A network that compiled code can call.

    `evaluate` is njit-compiled and called as
    `evaluate(position [WORDS], moves uint16 [ROW], count, parameters, scratch, logits float32 [ROW]) -> value`:
    it writes the logits of the first `count` moves, in their order, and returns the expected score."""

    evaluate: Callable[..., Any]
    parameters: Any  # weights, of any type Numba knows; new weights of the same types need no compiling
    scratch: Any
    """Memory for one evaluation; used by one search at a time. If it has `wdl` float32 [3], `evaluate` writes the
    probabilities of win, draw and loss there, and a search under time control reads the draw's."""


class LeafEvaluator(ABC):
    """Evaluates positions in batches of a search's or a caller's own size."""

    overlaps = False  # whether `ask_legal` returns before the answer is there, so that callers can work meanwhile

    @abstractmethod
    def evaluate_legal(self, positions: Positions, moves: Moves, counts: Counts) -> LegalEvaluation:
        """Evaluate positions [L, WORDS] with their legal `moves` [L, 224], of which the first `counts` [L] count. The
        arrays may change after the call."""

    def ask_legal(self, positions: Positions, moves: Moves, counts: Counts) -> Callable[[], LegalEvaluation]:
        """As `evaluate_legal`, in two steps: the arrays were read when this returns, the result waits for the answer.
        Several answers may be pending; they are to be taken in the order of asking."""
        found = self.evaluate_legal(positions, moves, counts)
        return lambda: found
