"""The sizes of a sparse network, and its compiled form. Light: no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

import numpy as np

from agent.networks.contract import Architecture, CompiledEvaluator
from agent.networks.sparse.compiled import SparseParameters, SparseScratch, evaluate
from agent.networks.sparse.features import FEATURES, FIRST_FEATURES, MAPS, MAX_FEATURES, PIECE_ROWS, STATE_AT, THREATS
from agent.networks.sparse.moves import MOVE_KINDS, MOVE_ROOM
from agent.networks.sparse.vectors import Floats, aligned
from agent.vocabulary import MAX_LEGAL, SIZE

_LAYERS: Final = ("features", "hidden", "policy", "kinds", "value")
_FIXED: Final = {"threats": "True", "moves": "True", "control": "False", "king_buckets": "0", "phases": "1"}
"""What weights files of older versions say of features that were settings then, with the values that are fixed now."""


@dataclass(frozen=True)
class SparseArchitecture(Architecture):
    """Sizes of a sparse network, and how it tells moves apart. A ValueError for a width that the compiled evaluator
    cannot serve."""

    kind: ClassVar[str] = "sparse"
    parts: ClassVar[str] = "agent.networks.sparse.evaluator"
    width: int = 256  # width W of the first layer, a multiple of 64
    hidden: int = 64  # width H of the second layer, which policy and value read; a multiple of 32
    replies: bool = False  # whether moves that leave a lone king without a reply are kinds of their own

    def __post_init__(self) -> None:
        if self.width < 64 or self.width % 64:
            raise ValueError(f"width {self.width} is not a multiple of 64")
        if self.hidden < 32 or self.hidden % 32:
            raise ValueError(f"hidden {self.hidden} is not a multiple of 32")

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """See `Architecture`. A ValueError where an entry is not what `metadata` writes, or a feature is not as this
        version has it."""
        for name, value in _FIXED.items():
            if metadata.get(name, value) != value:
                raise ValueError(f"sparse networks with {name}={metadata[name]} are no longer supported")
        return super().from_metadata(metadata)

    def continues(self, before: Architecture) -> bool:
        """See `Architecture`. With `replies` two kinds of moves begin to occur; the weights have the same shapes."""
        return before in (self, replace(self, replies=False))

    def compiled(self, tensors: Mapping[str, Floats] | None = None) -> CompiledEvaluator:
        """See `Architecture`; and `fill`."""
        width, hidden = self.width, self.hidden
        shapes: list[tuple[int, ...]] = [
            (FEATURES, width), (width,), (width, hidden), (hidden,), (SIZE, hidden), (SIZE,),
            (MOVE_KINDS, hidden), (MOVE_KINDS,), (3, hidden), (3,),
        ]  # fmt: skip
        parameters = SparseParameters._make([*(aligned(*shape) for shape in shapes), self.replies])
        rows, kinds = np.zeros(max(MAX_FEATURES, width + 1), np.int32), np.zeros(MAX_LEGAL, np.int32)
        maps, room, wdl = np.zeros(MAPS, np.uint64), np.zeros(MOVE_ROOM, np.uint64), np.zeros(3, np.float32)
        scratch = SparseScratch(rows, maps, room, kinds, aligned(width), aligned(hidden), wdl)
        if tensors is not None:
            fill(parameters, tensors)
        return CompiledEvaluator(evaluate, parameters, scratch)


def fill(parameters: SparseParameters, tensors: Mapping[str, Floats]) -> None:
    """Copy weights float32, named as in the `state_dict` of `SparseNetwork`, in place: no array is exchanged. Shared
    rows are added in. Features that came after the weights were saved get rows of zeros. A ValueError where a tensor is
    missing, unknown or of another shape."""
    names = (f"{layer}.{part}" for layer in _LAYERS for part in ("weight", "bias"))
    targets: dict[str, Floats] = dict(zip(names, parameters[:-1], strict=True))
    width = parameters.features.shape[1]
    known = min(max(np.size(tensors.get("features.weight", ())) // width - PIECE_ROWS, FIRST_FEATURES), FEATURES)
    shapes = {name: target.shape for name, target in targets.items()}
    shapes["features.weight"] = known + PIECE_ROWS, width
    for name in sorted(shapes.keys() | tensors.keys()):
        found = tensors[name].shape if name in tensors else None
        if found != shapes.get(name):
            raise ValueError(f"tensor {name} has shape {found}, its architecture wants {shapes.get(name)}")
    for name, target in targets.items():
        if name != "features.weight":
            target[...] = tensors[name]
    own, shared = np.split(tensors["features.weight"], [known])
    parameters.features[:known] = own
    parameters.features[known:] = 0
    pieces = parameters.features[:STATE_AT].reshape(THREATS, PIECE_ROWS, -1)
    pieces += shared
