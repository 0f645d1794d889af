# mypy: allow-untyped-defs, allow-untyped-calls
"""What Numba has no name for: memory by its address, single bits, and work taken in turns by several threads."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

_BYTE, _HALF, _WHOLE = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def _first_bit(_context, _word):
    def code(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.uint64(numba.uint64), code


def _count_bits(_context, _word):
    def code(_context, builder, _signature, arguments):
        return builder.ctpop(arguments[0])

    return numba.uint64(numba.uint64), code


def _nonzero_bytes(_context, _address):
    def code(_context, builder, _signature, arguments):
        bytes_64 = ir.VectorType(_BYTE, 64)
        value = builder.load(builder.inttoptr(arguments[0], bytes_64.as_pointer()))
        value.align = 1
        return builder.bitcast(builder.icmp_unsigned("!=", value, ir.Constant(bytes_64, [0] * 64)), _WHOLE)

    return numba.uint64(numba.int64), code


def _pair_of_words(_context, _address):
    def code(_context, builder, _signature, arguments):
        value = builder.load(builder.inttoptr(arguments[0], _WHOLE.as_pointer()))
        value.align = 4
        return value

    return numba.uint64(numba.int64), code


def _prefetch(_context, _address):
    def code(context, builder, _signature, arguments):
        pointer = builder.inttoptr(arguments[0], _BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _HALF, _HALF, _HALF])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, *(ir.Constant(_HALF, flag) for flag in (0, 3, 1))])  # read, keep, data
        return context.get_dummy_value()

    return numba.void(numba.int64), code


def _clear(_context, _address, _size):
    def code(context, builder, _signature, arguments):
        pointer = builder.inttoptr(arguments[0], _BYTE.as_pointer())
        cgutils.memset(builder, pointer, arguments[1], 0)
        return context.get_dummy_value()

    return numba.void(numba.int64, numba.int64), code


def _take(_context, _address):
    def code(_context, builder, _signature, arguments):
        counter = builder.inttoptr(arguments[0], _WHOLE.as_pointer())
        return builder.atomic_rmw("add", counter, ir.Constant(_WHOLE, 1), "monotonic")

    return numba.int64(numba.int64), code


def _pointer_to(element, llvm):
    def typing(_context, _address):
        def code(_context, builder, _signature, arguments):
            return builder.inttoptr(arguments[0], llvm.as_pointer())

        return numba.types.CPointer(element)(numba.int64), code

    return typing


first_bit: Any = intrinsic(_first_bit)  # position of the lowest set bit of a uint64; 64 for none
count_bits: Any = intrinsic(_count_bits)  # how many bits of a uint64 are set
nonzero_bytes: Any = intrinsic(_nonzero_bytes)  # of the 64 bytes at an address, as the bits of a uint64
pair_of_words: Any = intrinsic(_pair_of_words)  # two neighbouring 32-bit words at an address, the first one lowest
prefetch: Any = intrinsic(_prefetch)  # ask for the cache line of an address, which need not be valid
clear: Any = intrinsic(_clear)  # zeros from an address, as many bytes as asked for
take: Any = intrinsic(_take)  # the int64 at an address, which is then one more: each number goes to one thread
floats_at: Any = intrinsic(_pointer_to(numba.float32, ir.FloatType()))
doubles_at: Any = intrinsic(_pointer_to(numba.float64, ir.DoubleType()))
bytes_at: Any = intrinsic(_pointer_to(numba.uint8, _BYTE))
words_at: Any = intrinsic(_pointer_to(numba.uint32, _HALF))
numbers_at: Any = intrinsic(_pointer_to(numba.int64, _WHOLE))
