"""Two differentiable operators on ragged rows: sums of rows, and products with rows. On the CPU compiled loops do both
directions, so that only rows that are present cost anything; elsewhere torch's own operators do. Sums run in a fixed
order: the same batch gives the same gradients, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent.compilation import njit, on_warm_up
from agent.networks.sparse.vectors import Floats, Rows, borrowed, dot_row, sum_rows
from agent.vocabulary import MAX_LEGAL

Offsets = NDArray[np.int64]


@njit
def _sum(table: Floats, bias: Floats, rows: Rows, offsets: Offsets, out: Floats) -> None:
    table, rows, offsets, out = borrowed(table), borrowed(rows), borrowed(offsets), borrowed(out)
    for i in range(out.shape[0]):
        sum_rows(table, rows[offsets[i] : offsets[i + 1]], offsets[i + 1] - offsets[i], bias, out[i])


@njit
def _sum_backward(gradient: Floats, rows: Rows, offsets: Offsets, table_out: Floats) -> None:
    gradient, rows, table_out = borrowed(gradient), borrowed(rows), borrowed(table_out)
    for i in range(gradient.shape[0]):
        given = gradient[i]
        for e in range(offsets[i], offsets[i + 1]):
            row = table_out[rows[e]]
            for j in range(row.size):
                row[j] += given[j]


@njit
def _products(vectors: Floats, table: Floats, bias: Floats, rows: Rows, offsets: Offsets, out: Floats) -> None:
    vectors, table = borrowed(vectors), borrowed(table)
    for i in range(vectors.shape[0]):
        for e in range(offsets[i], offsets[i + 1]):
            out[i, e - offsets[i]] = dot_row(vectors[i], table, np.int64(rows[e])) + bias[rows[e]]


@njit
def _products_backward(
    gradient: Floats, vectors: Floats, table: Floats, rows: Rows, offsets: Offsets, vectors_out: Floats,
    table_out: Floats, bias_out: Floats,
) -> None:  # fmt: skip
    vectors, table = borrowed(vectors), borrowed(table)
    vectors_out, table_out = borrowed(vectors_out), borrowed(table_out)
    for i in range(vectors.shape[0]):
        vector, towards = vectors[i], vectors_out[i]
        for e in range(offsets[i], offsets[i + 1]):
            given, row, row_out = gradient[i, e - offsets[i]], table[rows[e]], table_out[rows[e]]
            for j in range(vector.size):
                towards[j] += given * row[j]
            for j in range(vector.size):
                row_out[j] += given * vector[j]
            bias_out[rows[e]] += given


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


class _SumOfRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, bias: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        ctx.save_for_backward(rows, offsets)
        ctx.shape = table.shape
        out = torch.empty(len(offsets) - 1, table.shape[1])
        _sum(*_arrays(table, bias, rows, offsets, out))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        table_out = torch.zeros(ctx.shape)
        _sum_backward(*_arrays(gradients[0], *ctx.saved_tensors, table_out))
        return table_out, gradients[0].sum(0), None, None


class _ProductsWithRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, table: Tensor, bias: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        ctx.save_for_backward(vectors, table, rows, offsets)
        out = torch.zeros(len(vectors), MAX_LEGAL)
        _products(*_arrays(vectors, table, bias, rows, offsets, out))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        vectors, table, rows, offsets = ctx.saved_tensors
        found = torch.zeros(vectors.shape), torch.zeros(table.shape), torch.zeros(len(table))
        _products_backward(*_arrays(gradients[0], vectors, table, rows, offsets, *found))
        return *found, None, None


def sum_of_rows(table: Tensor, bias: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Row b of the result is bias + the sum of table[rows[offsets[b]:offsets[b + 1]]]. `table` is float32 [F, W], W a
    multiple of 64, `bias` [W], `rows` int32 [E], each below F, `offsets` int64 [B + 1], from 0 to E, the result float32
    [B, W]."""
    form: Callable[..., Tensor] = _SumOfRows.apply if table.is_cpu else sum_of_rows_torch
    return form(table, bias, rows, offsets)


def sum_of_rows_torch(table: Tensor, bias: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """`sum_of_rows` by torch's operators, for any device."""
    return nn.functional.embedding_bag(rows.long(), table, offsets, mode="sum", include_last_offset=True) + bias


def products_with_rows(vectors: Tensor, table: Tensor, bias: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Entry k of row b of the result is vectors[b] . table[r] + bias[r] with r = rows[offsets[b] + k]. `vectors` are
    float32 [B, H], H a multiple of 32, `table` [A, H], `bias` [A], `rows` int32 [M], each below A, `offsets` int64 [B +
    1], from 0 to M, at most 218 apart; the result is float32 [B, 218], 0 past the rows of b."""
    form: Callable[..., Tensor] = _ProductsWithRows.apply if vectors.is_cpu else products_with_rows_torch
    return form(vectors, table, bias, rows, offsets)


def products_with_rows_torch(vectors: Tensor, table: Tensor, bias: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """`products_with_rows` by torch's operators, for any device."""
    index, owner = rows.long(), torch.repeat_interleave(offsets[1:] - offsets[:-1])
    ragged = (vectors[owner] * table[index]).sum(1) + bias[index]
    lanes = torch.arange(len(rows), device=rows.device) - offsets[owner]
    return vectors.new_zeros(len(vectors), MAX_LEGAL).index_put((owner, lanes), ragged)


@on_warm_up
def _exercise() -> None:
    rows, offsets = torch.zeros(1, dtype=torch.int32), torch.tensor([0, 1])
    table, bias = torch.zeros(1, 64, requires_grad=True), torch.zeros(64, requires_grad=True)
    hidden = sum_of_rows(table, bias, rows, offsets)
    products_with_rows(hidden, table, bias[:1], rows, offsets).sum().backward()  # type: ignore[no-untyped-call]
