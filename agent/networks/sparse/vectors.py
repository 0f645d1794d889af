"""The inner loops of the sparse network as vector instructions, for use in compiled code.

Numba vectorises a sum only if it may reorder it, and keeps partial sums in memory. Here they stay in registers, fused
multiply-adds are explicit, and the order of every sum is fixed: the same weights give the same number whatever else is
evaluated. LLVM splits the vectors into the registers that the processor has.

No bounds are checked: arrays must be C-contiguous and float32 unless said, indices int32, sizes as documented."""

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from agent.rules.bits import Words

Floats = NDArray[np.float32]
Shorts = NDArray[np.int16]
Rows = NDArray[np.int32]

SUM_LANES: Final = 64  # widths of rows that are summed are a multiple of this
PRODUCT_LANES: Final = 32  # widths of rows that are multiplied are a multiple of this
STRANDS: Final = 4  # inputs of a dense layer are taken in groups of this many, each with its own partial sum

_float = ir.FloatType()
_short = ir.IntType(16)
_index = ir.IntType(64)
_SUM: Final = ir.VectorType(_float, SUM_LANES)
_PRODUCT: Final = ir.VectorType(_float, PRODUCT_LANES)


def aligned(*shape: int, dtype: type[np.number[Any]] = np.float32) -> NDArray[Any]:
    """Zeros that start on a cache line: loads of whole vectors that straddle two take twice the time."""
    size, item = math.prod(shape), np.dtype(dtype).itemsize
    room = np.zeros(size + 64 // item, dtype)
    start = -room.ctypes.data % 64 // item
    return room[start : start + size].reshape(shape)


class _Writer:
    """What the loops share: pointers into arrays, loads, stores, multiply-adds."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.arrays = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, numba.types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]

    def width(self, array: int) -> Any:
        return self.builder.extract_value(self.arrays[array].shape, self.arrays[array]._datamodel.fe_type.ndim - 1)

    def load(self, array: int, at: Any, kind: Any) -> Any:
        return self.builder.load(self._pointer(array, at, kind), align=2)

    def store(self, value: Any, array: int, at: Any) -> None:
        self.builder.store(value, self._pointer(array, at, value.type), align=4)

    def _pointer(self, array: int, at: Any, kind: Any) -> Any:
        pointer = self.builder.gep(self.arrays[array].data, [at])
        return self.builder.bitcast(pointer, kind.as_pointer())

    def row(self, array: int, at: Any) -> Any:
        """An int32 entry as an index."""
        return self.builder.sext(self.load(array, at, ir.IntType(32)), _index)

    def splat(self, value: Any, kind: Any) -> Any:
        single = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
        return self.builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), zeros)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        signature = ir.FunctionType(a.type, [a.type] * 3)
        name = f"llvm.fma.v{a.type.count}f32"
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)  # type: ignore[no-untyped-call]
        return self.builder.call(function, [a, b, c])

    def total(self, vector: Any) -> Any:
        """Sum of the lanes, halves first: a tree, the same everywhere."""
        while vector.type.count > 1:
            half = vector.type.count // 2
            lanes = ir.VectorType(ir.IntType(32), half)
            parts = [ir.Constant(lanes, list(range(low, low + half))) for low in (0, half)]
            undefined = ir.Constant(vector.type, ir.Undefined)
            low, high = (self.builder.shuffle_vector(vector, undefined, part) for part in parts)
            vector = self.builder.fadd(low, high)
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    @contextmanager
    def steps(self, stop: Any, step: int = 1, start: Any = None) -> Iterator[Any]:
        """Loop over start (0), start + step, start + 2 step, ... below `stop`."""
        start = _constant(0) if start is None else start
        with cgutils.for_range_slice(self.builder, start, stop, _constant(step)) as (index, _):
            yield index

    def variable(self, value: Any) -> Any:
        place = cgutils.alloca_once(self.builder, value.type)  # type: ignore[no-untyped-call]
        self.builder.store(value, place)
        return place


def _constant(value: int) -> Any:
    return ir.Constant(_index, value)


@intrinsic
def _sum_rows(_context: Any, table: Any, rows: Any, count: Any, bias: Any, out: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        w = _Writer(context, builder, signature, arguments)
        table, rows, count, bias, out = range(5)
        width = w.width(out)
        with w.steps(width, SUM_LANES) as column:
            total = w.variable(w.load(bias, column, _SUM))
            with w.steps(w.arrays[count]) as i:
                at = builder.add(builder.mul(w.row(rows, i), width), column)
                builder.store(builder.fadd(builder.load(total), w.load(table, at, _SUM)), total)
            w.store(builder.load(total), out, column)
        return context.get_dummy_value()

    return numba.void(table, rows, numba.int64, bias, out), codegen


@intrinsic
def _sum_shorts(_context: Any, table: Any, rows: Any, count: Any, bias: Any, unit: Any, out: Any, positive: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        w = _Writer(context, builder, signature, arguments)
        table, rows, count, bias, unit, out, positive = range(7)
        width = w.width(out)

        def sums(start: Any, stop: Any, lanes: int) -> None:
            """The columns from `start` to `stop`, as many at a time: more keep the index of a row for longer."""
            shorts, floats = ir.VectorType(_short, lanes), ir.VectorType(_float, lanes)
            kind, name = ir.FunctionType(shorts, [shorts] * 2), f"llvm.sadd.sat.v{lanes}i16"
            add = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
            scale = w.splat(w.arrays[unit], floats)
            with w.steps(stop, lanes, start) as column:
                total = w.variable(w.load(bias, column, shorts))
                with w.steps(w.arrays[count]) as i:
                    at = builder.add(builder.mul(w.row(rows, i), width), column)
                    builder.store(builder.call(add, [builder.load(total), w.load(table, at, shorts)]), total)
                found = builder.load(total)
                w.store(builder.fmul(builder.sitofp(found, floats), scale), out, column)
                bits = builder.bitcast(builder.icmp_signed(">", found, ir.Constant(shorts, None)), ir.IntType(lanes))
                w.store(bits, positive, builder.lshr(column, _constant(6)))

        doubled = builder.and_(width, _constant(-2 * SUM_LANES))
        sums(_constant(0), doubled, 2 * SUM_LANES)
        sums(doubled, width, SUM_LANES)
        return context.get_dummy_value()

    return numba.void(table, rows, numba.int64, bias, numba.float32, out, positive), codegen


@intrinsic
def _dense(_context: Any, values: Any, rows: Any, count: Any, table: Any, bias: Any, out: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        w = _Writer(context, builder, signature, arguments)
        values, rows, count, table, bias, out = range(6)
        width = w.width(out)
        with w.steps(width, PRODUCT_LANES) as column:
            nothing = ir.Constant(_PRODUCT, None)
            totals = [w.variable(w.load(bias, column, _PRODUCT))] + [w.variable(nothing) for _ in range(STRANDS - 1)]

            def accumulate(i: Any, total: Any, column: Any = column) -> None:
                row = w.row(rows, i)
                weights = w.load(table, builder.add(builder.mul(row, width), column), _PRODUCT)
                value = w.splat(w.load(values, row, _float), _PRODUCT)
                builder.store(w.multiply_add(value, weights, builder.load(total)), total)

            groups = builder.and_(w.arrays[count], _constant(-STRANDS))
            with w.steps(groups, STRANDS) as first:
                for strand, total in enumerate(totals):
                    accumulate(builder.add(first, _constant(strand)), total)
            with w.steps(w.arrays[count], start=groups) as i:
                accumulate(i, totals[0])
            low = builder.fadd(builder.load(totals[0]), builder.load(totals[1]))
            high = builder.fadd(builder.load(totals[2]), builder.load(totals[3]))
            w.store(builder.fadd(low, high), out, column)
        return context.get_dummy_value()

    return numba.void(values, rows, numba.int64, table, bias, out), codegen


def _write_dot(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Arguments are a vector, then a table and a row of it, once or more often; the rows are added up first."""
    w = _Writer(context, builder, signature, arguments)
    width = w.width(0)
    starts = [(table, builder.mul(w.arrays[table + 1], width)) for table in range(1, len(arguments), 2)]
    total = w.variable(ir.Constant(_PRODUCT, None))
    with w.steps(width, PRODUCT_LANES) as column:
        rows = [w.load(table, builder.add(start, column), _PRODUCT) for table, start in starts]
        weights = functools.reduce(builder.fadd, rows)
        builder.store(w.multiply_add(w.load(0, column, _PRODUCT), weights, builder.load(total)), total)
    return w.total(builder.load(total))


@intrinsic
def _dot_row(_context: Any, vector: Any, table: Any, row: Any) -> Any:
    return numba.float32(vector, table, numba.int64), _write_dot


@intrinsic
def _dot_rows(_context: Any, vector: Any, table: Any, row: Any, other: Any, other_row: Any) -> Any:
    return numba.float32(vector, table, numba.int64, other, numba.int64), _write_dot


sum_rows = cast(Callable[[Floats, Rows, np.int64, Floats, Floats], None], _sum_rows)
"""sum_rows(table [R, W], rows, count, bias [W], out [W]): out = bias + sum of table[rows[i]], i < count."""
sum_shorts = cast(Callable[[Shorts, Rows, np.int64, Shorts, np.float32, Floats, Words], None], _sum_shorts)
"""sum_shorts(table int16 [R, W], rows, count, bias int16 [W], unit, out [W], positive uint64 [W / 64]): `sum_rows` in
saturating arithmetic of 16 bits, times `unit`; bit i % 64 of word i / 64 of `positive` says whether out[i] > 0."""
dense = cast(Callable[[Floats, Rows, np.int64, Floats, Floats, Floats], None], _dense)
"""dense(values [R], rows, count, table [R, H], bias [H], out [H]):
out = bias + sum of values[rows[i]] table[rows[i]], i < count."""
dot_row = cast(Callable[[Floats, Floats, np.int64], np.float32], _dot_row)
"""dot_row(vector [H], table [R, H], row): vector . table[row]."""
dot_rows = cast(Callable[[Floats, Floats, np.int64, Floats, np.int64], np.float32], _dot_rows)
"""dot_rows(vector [H], table, row, other, other_row): vector . (table[row] + other[other_row])."""

_Arrays = TypeVar("_Arrays")
_OWNER, _PARENT = 0, 1  # members of Numba's array structure


class _Borrow(Protocol):
    def __call__(self, arrays: _Arrays) -> _Arrays: ...


@intrinsic
def _borrowed(_context: Any, arrays: Any) -> Any:
    def disowned(builder: Any, array: Any) -> Any:
        for member in (_OWNER, _PARENT):
            array = builder.insert_value(array, ir.Constant(array.type.elements[member], None), member)
        return array

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        value = arguments[0]
        if isinstance(arrays, numba.types.Array):
            return disowned(builder, value)
        for member, kind in enumerate(arrays):
            if isinstance(kind, numba.types.Array):
                value = builder.insert_value(value, disowned(builder, builder.extract_value(value, member)), member)
        return value

    return arrays(arrays), codegen


borrowed = cast(_Borrow, _borrowed)
"""The same array, or the same named tuple with its arrays, without an owner.

Numba counts each use of an array with an atomic instruction, a third of an evaluation's time. The caller holds the
arrays until its call returns, so the count is never needed. In compiled code only; never keep or return the result.
"""
