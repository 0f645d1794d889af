"""The sizes of a sparse network, and its compiled form. Light: no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import NDArray

from agent.networks.contract import Architecture, CompiledEvaluator
from agent.networks.sparse.compiled import UNIT, SparseParameters, SparseScratch, evaluate
from agent.networks.sparse.features import FEATURES, MAPS, MAX_FEATURES, PIECE_ROWS, STATE_AT, THREATS
from agent.networks.sparse.moves import MOVE_KINDS, MOVE_ROOM
from agent.networks.sparse.vectors import Floats, Shorts, aligned
from agent.vocabulary import MAX_LEGAL, SIZE

_NAMES: Final = [f"{a}.{b}" for a in ("features", "hidden", "policy", "kinds", "value") for b in ("weight", "bias")]


@dataclass(frozen=True)
class SparseArchitecture(Architecture):
    """Sizes of a sparse network. A ValueError for a width that the compiled evaluator cannot serve."""

    kind: ClassVar[str] = "sparse"
    parts: ClassVar[str] = "agent.networks.sparse.evaluator"
    width: int = 256  # width W of the first layer, a multiple of 64
    hidden: int = 64  # width H of the second layer, which policy and value read; a multiple of 32

    def __post_init__(self) -> None:
        if self.width < 64 or self.width % 64:
            raise ValueError(f"width {self.width} is not a multiple of 64")
        if self.hidden < 32 or self.hidden % 32:
            raise ValueError(f"hidden {self.hidden} is not a multiple of 32")

    def compiled(self, tensors: Mapping[str, Floats] | None = None) -> CompiledEvaluator:
        """See `Architecture`; and `fill`."""
        width, hidden = self.width, self.hidden
        shapes: list[tuple[int, ...]] = [
            (width, hidden), (hidden,), (SIZE, hidden), (SIZE,), (MOVE_KINDS, hidden), (MOVE_KINDS,), (3, hidden), (3,),
        ]  # fmt: skip
        if tensors is not None:  # before memory is taken
            _check([(FEATURES + PIECE_ROWS, width), (width,), *shapes], tensors)
        first = aligned(FEATURES, width, dtype=np.int16), aligned(width, dtype=np.int16)
        parameters = SparseParameters._make([*first, *(aligned(*shape) for shape in shapes)])
        rows, kinds = np.zeros(max(MAX_FEATURES, width + 1), np.int32), np.zeros(MAX_LEGAL, np.int32)
        maps, room, wdl = np.zeros(MAPS, np.uint64), np.zeros(MOVE_ROOM, np.uint64), np.zeros(3, np.float32)
        positive = np.zeros(width // 64, np.uint64)
        scratch = SparseScratch(rows, maps, room, kinds, aligned(width), positive, aligned(hidden), wdl)
        if tensors is not None:
            fill(parameters, tensors)
        return CompiledEvaluator(evaluate, parameters, scratch)


def fill(parameters: SparseParameters, tensors: Mapping[str, Floats]) -> None:
    """Copy weights float32, named as in the `state_dict` of `SparseNetwork`, in place: no array is exchanged. Shared
    rows are added in, and the first layer is rounded. A ValueError where one is missing, unknown or misshapen."""
    _check([(FEATURES + PIECE_ROWS, parameters.features.shape[1]), *(each.shape for each in parameters[1:])], tensors)
    pieces, state, shared = np.split(tensors["features.weight"], [STATE_AT, FEATURES])
    summed = (pieces.reshape(THREATS, PIECE_ROWS, -1) + shared).reshape(STATE_AT, -1)
    parameters.features[...] = in_units(np.concatenate([summed, state]))
    parameters.features_bias[...] = in_units(tensors["features.bias"])
    for name, target in zip(_NAMES, cast(tuple[NDArray[Any], ...], parameters), strict=True):
        if target.dtype == np.float32:
            target[...] = tensors[name]


def _check(shapes: Sequence[tuple[int, ...]], tensors: Mapping[str, Floats]) -> None:
    wanted = dict(zip(_NAMES, shapes, strict=True))
    for name in sorted(wanted.keys() | tensors.keys()):
        found = tensors[name].shape if name in tensors else None
        if found != wanted.get(name):
            raise ValueError(f"tensor {name} has shape {found}, its architecture wants {wanted.get(name)}")


def in_units(numbers: Floats) -> Shorts:
    """The nearest int16 multiples of `UNIT`."""
    rounded: Shorts = np.rint(numbers / UNIT).clip(-(2**15), 2**15 - 1).astype(np.int16)
    return rounded
