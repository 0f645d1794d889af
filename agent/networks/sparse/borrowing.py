"""Arrays borrowed from the caller: compiled code that uses them counts no references.

Numba counts each use of an array with an atomic instruction, and the sparse network uses two dozen for
one position: a third of its time. The caller holds the arrays until its call returns, so the count is
never needed.
"""

from typing import Any, Protocol, TypeVar, cast

import numba
from llvmlite import ir
from numba.extending import intrinsic

_Arrays = TypeVar("_Arrays")
_OWNER, _PARENT = 0, 1  # members of Numba's array structure


def _disowned(builder: Any, array: Any) -> Any:
    for member in (_OWNER, _PARENT):
        array = builder.insert_value(array, ir.Constant(array.type.elements[member], None), member)
    return array


class _Borrow(Protocol):
    def __call__(self, arrays: _Arrays) -> _Arrays: ...


@intrinsic
def _borrowed(_context: Any, arrays: Any) -> Any:
    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        value = arguments[0]
        if isinstance(arrays, numba.types.Array):
            return _disowned(builder, value)
        for member in range(len(arrays)):
            value = builder.insert_value(value, _disowned(builder, builder.extract_value(value, member)), member)
        return value

    return arrays(arrays), codegen


borrowed = cast(_Borrow, _borrowed)
"""The same array, or named tuple of arrays, without an owner. In compiled code only; never to be kept or returned."""
