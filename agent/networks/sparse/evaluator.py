"""The sparse network on a CPU, compiled: one position in one to two microseconds, callable from compiled code.

`evaluate` allocates nothing and needs no interpreter. Its weights are a `SparseParameters`, a tuple of
arrays: copying other weights into them swaps the network without compiling anything anew.

Shapes: F features, W width of the first layer, H of the second, A = 1,880 moves, K = 864 kinds of moves.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.compilation import njit, on_warm_up
from agent.networks.sparse.architecture import (
    MAX_FEATURES,
    MOVE_KINDS,
    SHARED,
    THREATS,
    USES_MOVES,
    USES_THREATS,
    SparseArchitecture,
)
from agent.networks.sparse.borrowing import borrowed
from agent.networks.sparse.features import MAPS, active_features, phase_of
from agent.networks.sparse.moves import MOVE_ROOM, move_kinds
from agent.networks.sparse.vectors import Floats, Rows, aligned, dense, dot_row, dot_rows, sum_rows
from agent.rules.bits import Words, u64
from agent.rules.boundary import checked, checked_counts
from agent.vocabulary import MAX_LEGAL, SIZE


class SparseParameters(NamedTuple):
    """Weights as the compiled evaluator reads them; all C-contiguous float32 but `layout`."""

    layout: NDArray[np.int64]
    """int64 [LAYOUT], the architecture's switches."""
    features: Floats
    """[F, W] first layer, a row a feature; shared rows added in."""
    features_bias: Floats
    """[W]."""
    hidden: Floats
    """[W, H] second layer, a row an input."""
    hidden_bias: Floats
    """[H]."""
    policy: Floats
    """[A, H] a row a move."""
    policy_bias: Floats
    """[A]."""
    kinds: Floats
    """[K, H] a row a kind of move; [1, H] where the architecture has none."""
    kinds_bias: Floats
    """[K], or [1]."""
    value: Floats
    """[3 P, H] win, draw, loss for each of P phases."""
    value_bias: Floats
    """[3 P]."""


class SparseScratch(NamedTuple):
    """Room for one evaluation at a time; every thread needs its own."""

    rows: Rows
    """int32: features, later the inputs of the second layer that are not zero."""
    maps: Words
    """uint64 [MAPS] attackers."""
    room: Words
    """uint64 [MOVE_ROOM]."""
    kinds: Rows
    """int32 [218] kinds of the moves."""
    accumulator: Floats
    """float32 [W] first layer before its activation."""
    hidden: Floats
    """float32 [H]."""
    win_draw_loss: Floats
    """float32 [3] probabilities of win, draw and loss that the last `evaluate` found."""


def empty_parameters(architecture: SparseArchitecture) -> SparseParameters:
    """Parameters of the right shapes, all zero."""
    width, hidden = architecture.width, architecture.hidden
    kinds = MOVE_KINDS if architecture.moves else 1
    shapes = [
        (architecture.features, width),
        (width,),
        (width, hidden),
        (hidden,),
        (SIZE, hidden),
        (SIZE,),
        (kinds, hidden),
        (kinds,),
        (3 * architecture.phases, hidden),
        (3 * architecture.phases,),
    ]
    return SparseParameters(architecture.layout(), *(aligned(*shape) for shape in shapes))


def load_parameters(parameters: SparseParameters, state: Mapping[str, Any]) -> None:
    """Copy the weights of a `SparseNetwork.state_dict()`, arrays or CPU tensors, into `parameters`, in place.

    Raises:
        ValueError: weights are missing, unknown, or of another architecture's shape; nothing was copied.
    """
    arrays = {name.replace(".", "_").removesuffix("_weight"): np.asarray(array) for name, array in state.items()}
    targets = {name: getattr(parameters, name) for name in parameters._fields[1:]}
    if "kinds" not in arrays and len(parameters.kinds) == 1:
        arrays |= {"kinds": parameters.kinds, "kinds_bias": parameters.kinds_bias}
    if arrays.keys() != targets.keys():
        wrong = ", ".join(sorted(arrays.keys() ^ targets.keys()))
        raise ValueError(f"the weights do not fit the architecture: {wrong} missing or unknown")
    shared = arrays["features"][len(parameters.features) :]
    arrays["features"] = arrays["features"][: len(parameters.features)]
    if len(shared) != (SHARED if parameters.layout[USES_THREATS] else 0):
        raise ValueError(f"{len(shared)} rows too many in weights features")
    for name, target in targets.items():
        if arrays[name].shape != target.shape:
            raise ValueError(f"weights {name} have the shape {list(arrays[name].shape)}, not {list(target.shape)}")
    for name, target in targets.items():
        target[...] = arrays[name]
    if len(shared):
        pieces = parameters.features[: THREATS * SHARED].reshape(THREATS, SHARED, -1)
        pieces += shared


def make_scratch(architecture: SparseArchitecture) -> SparseScratch:
    """Scratch for networks of `architecture`."""
    return SparseScratch(
        rows=np.zeros(max(MAX_FEATURES, architecture.width + 1), np.int32),
        maps=np.zeros(MAPS, np.uint64),
        room=np.zeros(MOVE_ROOM, np.uint64),
        kinds=np.zeros(MAX_LEGAL, np.int32),
        accumulator=aligned(architecture.width),
        hidden=aligned(architecture.hidden),
        win_draw_loss=np.zeros(3, np.float32),
    )


@njit
def evaluate_hidden(position: Words, parameters: SparseParameters, scratch: SparseScratch) -> None:
    """Both layers of `position` [WORDS]: `scratch.hidden` holds the result, `scratch.maps` the attackers."""
    position, parameters, scratch = borrowed(position), borrowed(parameters), borrowed(scratch)
    count = active_features(position, parameters.layout, scratch.maps, scratch.rows)
    accumulator, rows, hidden = scratch.accumulator, scratch.rows, scratch.hidden
    sum_rows(parameters.features, rows, count, parameters.features_bias, accumulator)
    # About half of the inputs are zero; the rows of the others are all that is read.
    used = u64(0)  # unsigned: no negative index to look out for
    for i in range(accumulator.size):
        rows[used] = i
        used += u64(accumulator[i] > np.float32(0))
    dense(accumulator, rows, np.int64(used), parameters.hidden, parameters.hidden_bias, hidden)
    for i in range(hidden.size):
        hidden[i] = max(hidden[i], np.float32(0))


@njit
def value_logits(
    position: Words, parameters: SparseParameters, scratch: SparseScratch
) -> tuple[np.float32, np.float32, np.float32]:
    """Logits of win, draw and loss from `scratch.hidden`."""
    hidden, value, bias = scratch.hidden, parameters.value, parameters.value_bias
    row = 3 * phase_of(position, parameters.layout)
    win = dot_row(hidden, value, row) + bias[row]
    draw = dot_row(hidden, value, row + 1) + bias[row + 1]
    loss = dot_row(hidden, value, row + 2) + bias[row + 2]
    return win, draw, loss


@njit
def evaluate(
    position: Words,
    moves: NDArray[np.uint16],
    count: np.int64,
    parameters: SparseParameters,
    scratch: SparseScratch,
    logits: Floats,
) -> np.float32:
    """Evaluate one position; for compiled callers, who answer for the shapes.

    Args:
        position: uint64 [WORDS].
        moves: uint16, its legal moves in the first `count` entries; 0 moves are allowed.
        count: at most 218.
        parameters: weights.
        scratch: of the same architecture; `scratch.win_draw_loss` gets the three probabilities.
        logits: float32, the first `count` entries are written; not normalised.

    Returns:
        expected score -1..1 of the side to move.
    """
    position, moves, logits = borrowed(position), borrowed(moves), borrowed(logits)
    parameters, scratch = borrowed(parameters), borrowed(scratch)
    evaluate_hidden(position, parameters, scratch)
    hidden, policy, bias = scratch.hidden, parameters.policy, parameters.policy_bias
    if parameters.layout[USES_MOVES] != 0:
        kinds, rows, kinds_bias = scratch.kinds, parameters.kinds, parameters.kinds_bias
        move_kinds(position, moves, count, parameters.layout, scratch.maps, scratch.room, kinds)
        for i in range(count):
            move, kind = np.int64(moves[i]), np.int64(kinds[i])
            logits[i] = dot_rows(hidden, policy, move, rows, kind) + (bias[move] + kinds_bias[kind])
    else:
        for i in range(count):
            move = np.int64(moves[i])
            logits[i] = dot_row(hidden, policy, move) + bias[move]
    win, draw, loss = value_logits(position, parameters, scratch)
    peak = max(win, draw, loss)
    wins, draws, losses = math.exp(win - peak), math.exp(draw - peak), math.exp(loss - peak)
    total = wins + draws + losses
    scratch.win_draw_loss[0] = wins / total
    scratch.win_draw_loss[1] = draws / total
    scratch.win_draw_loss[2] = losses / total
    return np.float32((wins - losses) / total)


@njit
def _evaluate_batch(
    positions: Words,
    moves: NDArray[np.uint16],
    counts: NDArray[np.int32],
    parameters: SparseParameters,
    scratch: SparseScratch,
    logits: Floats,
    win_draw_loss: Floats,
) -> None:
    for i in range(positions.shape[0]):
        evaluate(positions[i], moves[i], np.int64(counts[i]), parameters, scratch, logits[i])
        win_draw_loss[i] = scratch.win_draw_loss


def evaluate_batch(
    positions: NDArray[np.uint64],
    moves: NDArray[np.uint16],
    counts: NDArray[np.int32],
    parameters: SparseParameters,
    scratch: SparseScratch,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Evaluate packed positions uint64 [B, WORDS] with their `rules.legal_moves`.

    Returns:
        logits float32 [B, 218] in the order of `moves`, 0 past `counts`; win, draw, loss float32 [B, 3].

    Raises:
        ValueError: an array has another shape or dtype.
    """
    positions = checked(positions)
    batch = len(positions)
    if moves.dtype != np.uint16 or moves.shape != (batch, MAX_LEGAL):
        raise ValueError(f"moves must be uint16 [{batch}, {MAX_LEGAL}], not {moves.dtype} {list(moves.shape)}")
    counts = checked_counts(counts, batch)
    logits, outcomes = np.zeros((batch, MAX_LEGAL), np.float32), np.empty((batch, 3), np.float32)
    _evaluate_batch(positions, np.require(moves, None, ["C", "W"]), counts, parameters, scratch, logits, outcomes)
    return logits, outcomes


@on_warm_up
def _exercise() -> None:
    architecture = SparseArchitecture()
    positions = rules.start(1)
    moves, counts = rules.legal_moves(positions)
    evaluate_batch(positions, moves, counts, empty_parameters(architecture), make_scratch(architecture))
