"""What the packed runtime does between convolutions, compiled: planes, squeeze and excite, heads.

Activations are channels-last, [B, 64 * C] with a square's channels together, float32 or bfloat16. Numba has no
bfloat16: those arrays come as uint16, the upper halves of float32, and everything is computed in float32. Each
row's result depends on that row alone.

Shapes: B positions, C channels, S squeezed channels, P = 21 planes, K columns of logits.
"""

import math
from collections.abc import Callable
from typing import Any, Final, cast

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

from agent.compilation import inlined, njit
from agent.networks.residual.network import MOVE_PLANES, move_planes
from agent.networks.residual.planes import PER_PLY, PLANES
from agent.networks.sparse.borrowing import borrowed
from agent.networks.sparse.vectors import dense, dot_row
from agent.rules.bits import ONE, Words, lowest, u64
from agent.rules.record import OWN, STATE, en_passant_bit, halfmove_clock, repetitions
from agent.vocabulary import FROM

Floats = NDArray[np.float32]
Activations = NDArray[Any]
"""float32, or uint16 that hold bfloat16."""

_PLANE_OF: Final = move_planes().astype(np.int64)
_FROM: Final = FROM.astype(np.int64)
_PLANES: Final = u64(PLANES)
_MOVE_PLANES: Final = u64(MOVE_PLANES)


@intrinsic
def _widened(_context: Any, value: Any) -> Any:
    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if value == numba.float32:
            return arguments[0]
        word = builder.shl(builder.zext(arguments[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(word, ir.FloatType())

    return numba.float32(value), codegen


@intrinsic
def _narrowed(_context: Any, value: Any, like: Any) -> Any:
    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if like.dtype == numba.float32:
            return arguments[0]
        # To the nearest, ties to even, as every processor with bfloat16 does.
        word = builder.bitcast(arguments[0], ir.IntType(32))
        sixteen = ir.Constant(ir.IntType(32), 16)
        odd = builder.and_(builder.lshr(word, sixteen), ir.Constant(ir.IntType(32), 1))
        word = builder.add(word, builder.add(odd, ir.Constant(ir.IntType(32), 0x7FFF)))
        return builder.trunc(builder.lshr(word, sixteen), ir.IntType(16))

    return like.dtype(numba.float32, like), codegen


widened = cast(Callable[[Any], np.float32], _widened)
"""An activation as float32."""
narrowed = cast(Callable[[np.float32, Activations], Any], _narrowed)
"""A float32 as what the array holds."""


@inlined
def _put(row: Activations, plane: np.uint64, board: np.uint64, value: Any) -> None:
    while board:
        row[lowest(board) * _PLANES + plane] = value
        board &= board - ONE


@njit
def write_planes(positions: Words, out: Activations) -> None:
    """The planes of `agent.networks.residual.planes`, channels last: `out` is [B, 64 * P]."""
    everywhere = ~u64(0)
    for i in range(positions.shape[0]):
        row = borrowed(out[i])
        one = narrowed(np.float32(1), row)
        row[:] = narrowed(np.float32(0), row)
        own, state = positions[i, OWN], positions[i, STATE]
        for kind in range(6):
            _put(row, u64(kind), positions[i, kind] & own, one)
            _put(row, u64(6 + kind), positions[i, kind] & ~own, one)
        for right in range(4):
            if (state >> u64(right)) & ONE:
                _put(row, u64(12 + right), everywhere, one)
        _put(row, u64(16), en_passant_bit(state), one)
        if repetitions(state) >= u64(1):
            _put(row, u64(17), everywhere, one)
        if repetitions(state) >= u64(2):
            _put(row, u64(18), everywhere, one)
        if halfmove_clock(state):
            clock = narrowed(np.float32(np.float32(halfmove_clock(state)) * PER_PLY), row)
            _put(row, u64(19), everywhere, clock)
        _put(row, u64(20), everywhere, one)


@njit
def excite(
    x: Activations,
    branch: Activations,
    squeeze: Floats,
    squeeze_bias: Floats,
    gates: Floats,
    gates_bias: Floats,
    scale: np.float32,
    room: Floats,
) -> None:
    """End a residual block: branch = relu(x + scale * (branch * sigmoid(gate) + shift)), in place.

    Args:
        x, branch: [B, 64 * C].
        squeeze, squeeze_bias: [C, S] and [S].
        gates, gates_bias: [S, 2 C] and [2 C]: gates, then shifts.
        room: [3 C + S], overwritten.
    """
    x, branch, room = borrowed(x), borrowed(branch), borrowed(room)
    squeeze, squeeze_bias, gates, gates_bias = (
        borrowed(squeeze),
        borrowed(squeeze_bias),
        borrowed(gates),
        borrowed(gates_bias),
    )
    channels, width = u64(squeeze.shape[0]), u64(squeeze.shape[1])
    means, gate, hidden = room[:channels], room[channels : u64(3) * channels], room[u64(3) * channels :]
    for i in range(x.shape[0]):
        row, skip = branch[i], x[i]
        means[:] = np.float32(0)
        for square in range(64):
            at = u64(square) * channels
            for c in range(channels):
                means[c] += widened(row[at + u64(c)])
        for s in range(width):
            hidden[s] = squeeze_bias[s]
        for c in range(channels):
            mean = means[c] * np.float32(1 / 64)
            for s in range(width):
                hidden[s] += mean * squeeze[c, s]
        for c in range(u64(2) * channels):
            gate[c] = gates_bias[c]
        for s in range(width):
            value = max(hidden[s], np.float32(0))
            for c in range(u64(2) * channels):
                gate[c] += value * gates[s, c]
        for c in range(channels):
            gate[c] = scale / (np.float32(1) + math.exp(-gate[c]))
            gate[channels + u64(c)] *= scale
        for square in range(64):
            at = u64(square) * channels
            for c in range(channels):
                j = at + u64(c)
                value = widened(skip[j]) + (widened(row[j]) * gate[c] + gate[channels + u64(c)])
                row[j] = narrowed(max(value, np.float32(0)), row)


@njit
def write_legal_logits(
    hidden: Activations,
    moves: NDArray[np.uint16],
    counts: NDArray[np.int32],
    table: Floats,
    bias: Floats,
    vector: Floats,
    out: Floats,
) -> None:
    """The policy head's last layer, for legal moves only.

    Args:
        hidden: [B, 64 * C].
        moves, counts: legal moves [B, 224], of which the first `counts` [B] count.
        table, bias: [76, W] and [76], one row a move plane; W is C rounded up to a multiple of 32.
        vector: [W], zero past C; overwritten.
        out: [B, K], the first `counts` of a row are written.
    """
    hidden, table, vector, bias = borrowed(hidden), borrowed(table), borrowed(vector), borrowed(bias)
    channels = u64(hidden.shape[1]) // u64(64)
    for i in range(hidden.shape[0]):
        row, logits = hidden[i], out[i]
        square = np.int64(-1)
        for j in range(counts[i]):
            move = u64(moves[i, j])
            if _FROM[move] != square:
                square = _FROM[move]
                at = u64(square) * channels
                for c in range(channels):
                    vector[c] = widened(row[at + u64(c)])
            plane = _PLANE_OF[move]
            logits[j] = dot_row(vector, table, plane) + bias[plane]


@njit
def write_logits(cells: Activations, out: Floats) -> None:
    """Every move's logit from the policy head's planes: [B, 64 * 76] to [B, 1880]."""
    for i in range(cells.shape[0]):
        for move in range(out.shape[1]):
            at = u64(_FROM[u64(move)]) * _MOVE_PLANES + u64(_PLANE_OF[u64(move)])
            out[u64(i), u64(move)] = widened(cells[u64(i), at])


@njit
def write_values(
    planes: Activations,
    hidden_table: Floats,
    hidden_bias: Floats,
    table: Floats,
    bias: Floats,
    inputs: Floats,
    rows: NDArray[np.int32],
    hidden: Floats,
    out: Floats,
) -> None:
    """The value head from its planes on, in float32.

    oneDNN sums so long a product in an order that depends on the batch, which rounding to bfloat16 shows only
    now and then.

    Args:
        planes: [B, 64 * 8], after the relu: about half are zeros, which cost nothing here.
        hidden_table, hidden_bias: [512, 64] and [64].
        table, bias: [3, 64] and [3]: win, draw, loss.
        inputs, rows, hidden: [512], [512] and [64], overwritten.
        out: [B] expected scores.
    """
    inputs, rows, hidden, table, bias = (
        borrowed(inputs),
        borrowed(rows),
        borrowed(hidden),
        borrowed(table),
        borrowed(bias),
    )
    for i in range(planes.shape[0]):
        row = borrowed(planes[i])
        used = u64(0)
        for c in range(inputs.shape[0]):
            value = widened(row[u64(c)])
            inputs[u64(c)] = value
            rows[used] = c
            used += u64(value != np.float32(0))
        dense(inputs, rows, np.int64(used), hidden_table, hidden_bias, hidden)
        for c in range(hidden.shape[0]):
            hidden[u64(c)] = max(hidden[u64(c)], np.float32(0))
        win = dot_row(hidden, table, np.int64(0)) + bias[0]
        draw = dot_row(hidden, table, np.int64(1)) + bias[1]
        loss = dot_row(hidden, table, np.int64(2)) + bias[2]
        peak = max(win, draw, loss)
        wins, draws, losses = math.exp(win - peak), math.exp(draw - peak), math.exp(loss - peak)
        out[i] = np.float32((wins - losses) / (wins + draws + losses))
