"""The sparse network on a CPU, compiled: one position in one to two microseconds, callable from compiled code.

`evaluate` allocates nothing and needs no interpreter. Its weights are a `SparseParameters`, a tuple of arrays: copying
other weights into them swaps the network without compiling anything.

Shapes: F features, W width of the first layer, H of the second, A = 1,880 moves, K = 864 kinds of moves."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined, njit
from agent.networks.sparse.features import active_features
from agent.networks.sparse.moves import move_kinds
from agent.networks.sparse.vectors import Floats, Rows, Shorts, borrowed, dense, dot_row, dot_rows, sum_shorts
from agent.rules.bits import ONE, Words, lowest, u64

UNIT: Final = np.float32(1 / 1024)  # of the first layer's numbers, which reach from -32 to 32


class SparseParameters(NamedTuple):
    """Weights as the compiled evaluator reads them, C-contiguous."""

    features: Shorts  # int16 [F, W] first layer in `UNIT`, a row a feature; shared rows added in
    features_bias: Shorts  # int16 [W] in `UNIT`
    hidden: Floats  # [W, H] second layer, a row an input
    hidden_bias: Floats  # [H]
    policy: Floats  # [A, H] a row a move
    policy_bias: Floats  # [A]
    kinds: Floats  # [K, H] a row a kind of move
    kinds_bias: Floats  # [K]
    value: Floats  # [3, H] win, draw, loss
    value_bias: Floats  # [3]


class SparseScratch(NamedTuple):
    """Memory for one evaluation at a time; every thread needs its own."""

    rows: Rows  # int32: features, later the inputs of the second layer that are not zero
    maps: Words  # uint64 [MAPS] attackers
    room: Words  # uint64 [MOVE_ROOM]
    kinds: Rows  # int32 [218] kinds of the moves
    accumulator: Floats  # float32 [W] first layer before its activation
    positive: Words  # uint64 [W / 64] bits of the inputs of the second layer above zero
    hidden: Floats  # float32 [H]
    wdl: Floats  # float32 [3] probabilities of win, draw and loss that the last `evaluate` found


@inlined
def _hidden_layer(position: Words, parameters: SparseParameters, scratch: SparseScratch) -> None:
    """Both layers of `position` [WORDS]: `scratch.hidden` holds the result, `scratch.maps` the attackers."""
    position, parameters, scratch = borrowed(position), borrowed(parameters), borrowed(scratch)
    count = active_features(position, scratch.maps, scratch.rows)
    accumulator, rows, positive, hidden = scratch.accumulator, scratch.rows, scratch.positive, scratch.hidden
    sum_shorts(parameters.features, rows, count, parameters.features_bias, UNIT, accumulator, positive)
    # Most of the inputs are zero; the rows of the others are all that is read.
    used = u64(0)  # unsigned: Numba then leaves out the test for negative indices
    for word in range(positive.size):
        left = positive[word]
        while left:
            rows[used] = np.int32(u64(64) * u64(word) + lowest(left))
            used += ONE
            left &= left - ONE
    dense(accumulator, rows, np.int64(used), parameters.hidden, parameters.hidden_bias, hidden)
    for i in range(hidden.size):
        hidden[i] = max(hidden[i], np.float32(0))


@inlined
def evaluate(
    position: Words,
    moves: NDArray[np.uint16],
    count: np.int64,
    parameters: SparseParameters,
    scratch: SparseScratch,
    logits: Floats,
) -> np.float32:
    """The expected score -1..1 of the side to move in `position` [WORDS], for compiled callers; no shape is checked.
    The first `count` of `moves`, 0 to 218, are its legal ones. The first `count` of `logits` are written, not
    normalised, and `scratch.wdl` gets the three probabilities."""
    position, moves, logits = borrowed(position), borrowed(moves), borrowed(logits)
    parameters, scratch = borrowed(parameters), borrowed(scratch)
    _hidden_layer(position, parameters, scratch)
    hidden, policy, bias = scratch.hidden, parameters.policy, parameters.policy_bias
    kinds, rows, kinds_bias = scratch.kinds, parameters.kinds, parameters.kinds_bias
    move_kinds(position, moves, count, scratch.maps, scratch.room, kinds)
    for i in range(count):
        move, kind = np.int64(moves[i]), np.int64(kinds[i])
        logits[i] = dot_rows(hidden, policy, move, rows, kind) + (bias[move] + kinds_bias[kind])
    value, bias = parameters.value, parameters.value_bias
    win = dot_row(hidden, value, np.int64(0)) + bias[0]
    draw = dot_row(hidden, value, np.int64(1)) + bias[1]
    loss = dot_row(hidden, value, np.int64(2)) + bias[2]
    peak = max(win, draw, loss)
    wins, draws, losses = math.exp(win - peak), math.exp(draw - peak), math.exp(loss - peak)
    total, wdl = wins + draws + losses, scratch.wdl
    wdl[0], wdl[1], wdl[2] = wins / total, draws / total, losses / total
    return np.float32((wins - losses) / total)


@njit
def evaluate_all(
    positions: Words, moves: NDArray[np.uint16], counts: NDArray[np.int32], parameters: SparseParameters,
    scratch: SparseScratch, logits: Floats, values: Floats,
) -> None:  # fmt: skip
    """`evaluate` for each of L positions: `logits` [L, K] and `values` [L] are written."""
    for i in range(positions.shape[0]):
        values[i] = evaluate(positions[i], moves[i], np.int64(counts[i]), parameters, scratch, logits[i])
