"""Shapes of the tiles: how many rows and columns a program takes, and by how many warps."""

from collections.abc import Sequence
from functools import cache, lru_cache, reduce
from operator import or_
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

WIDEST = 4096  # columns of a tile; a wider row is a loop over tiles


class Tile(NamedTuple):
    """A program's share: R rows by G groups of V neighbouring columns, looped over when a row is wider."""

    R: int
    G: int
    V: int


@cache
def tile_for(size: int, dtype: torch.dtype, *, widest: int = WIDEST, area: int = 2048) -> Tile:
    """Choose the tile for rows of `size` columns. Derived and checked in compiled code, not tuned on a device:

    | columns     | rows                 | lanes a thread | why                                                    |
    |-------------|----------------------|----------------|--------------------------------------------------------|
    | up to 1,024 | 2,048 / width, to 32 | 8              | a narrow row alone would leave most of a program idle  |
    | to 2,048    | 1                    | 8              | 1,880 is here: 40 registers, 48 warps a multiprocessor |
    | to 4,096    | 1                    | 16             | the row still stays in registers                       |
    | more        | 1                    | 16             | 4,096 at a time with a running maximum and sum         |

    Kernels that rank entries take less at a time (`widest`, and `area` for the rows of narrow tiles), or they would
    spill.

    V is 8 columns (4 in float64): a group is 32 bytes of float32, one sector, the least that memory hands over, and 16
    bytes of a half type, one 128-bit load. A group without a legal entry is not loaded.
    """
    V = 4 if dtype == torch.float64 else 8
    width = min(widest, max(2 * V, triton.next_power_of_2(size)))
    rows = max(1, min(32, area // width))
    return Tile(rows, width // V, V)


def launch_options(amd: bool = torch.version.hip is not None) -> dict[str, int]:
    """Return Triton's options for every kernel: 256 threads a program, which is 8 warps, or 4 of AMD's wavefronts. By
    default ptxas limits some kernels to 48 or 64 registers and spills to get there. With a limit of 128 it takes 39 to
    106 and spills nothing. AMD's compiler has no such option."""
    return {"num_warps": 4} if amd else {"num_warps": 8, "maxnreg": 128}


class Operand(NamedTuple):
    """How a kernel walks a matrix `[R, N]`: strides, and whether whole groups are aligned 128-bit accesses."""

    row: int  # stride in units of `unit` elements
    column: int
    wide: bool


def operand(tensor: Tensor, tile: Tile) -> Operand:
    """Describe `tensor` for a kernel. A row stride of 1,880 is a multiple of 8 but not of 16, which is all that Triton
    tests for itself. Handing it over as 235 groups of 8 lets the compiler prove the alignment that 128-bit accesses
    need."""
    row, column = tensor.stride()
    wide = column == 1 and tensor.shape[1] % tile.V == 0 and row % tile.V == 0 and tensor.data_ptr() % 16 == 0
    return Operand(row // tile.V if wide else row, column, wide)


@cache
def fresh(size: int, tile: Tile) -> Operand:
    """As `operand` for a new matrix of `size` columns: contiguous, and aligned as all memory of PyTorch's is."""
    wide = size % tile.V == 0
    return Operand(size // tile.V if wide else size, 1, wide)


def launch(
    kernel: Any, tile: Tile | None, dtype: torch.dtype | None, tensors: Sequence[Tensor], *numbers: float,
    grid: tuple[int, int] = (0, 1), form: tuple[Any, ...] | None = None, **constants: Any,
) -> None:  # fmt: skip
    """Run `kernel` on its arguments, tensors before numbers, and its compile-time constants, given in the same order at
    each call. With a tile, the grid covers the rows of the first tensor, if there are any, and the constants include
    the tile's sizes and what `dtype` accumulates in. `form`: see `repeat`.

    Triton takes longer to find the compiled kernel than to run it. Here it is remembered by what Triton specialises:
    dtypes, alignment, whether an integer is 1 or a multiple of 16 or takes 64 bits, and the constants. Tensors are then
    handed over as addresses, which no one asks the driver about again.
    """
    grid = grid if tile is None else (-(-tensors[0].shape[0] // tile.R), 1)
    index = tensors[0].device.index
    if not grid[0]:
        return
    if index is not None and index != torch.cuda.current_device():
        with torch.cuda.device(index):  # a kernel runs on the current one, wherever its arguments are
            launch(kernel, tile, dtype, tensors, *numbers, grid=grid, form=form, **constants)
        return
    addresses, special = [], [id(kernel), index, tile, dtype, _classes(*numbers), *constants.values()]
    for tensor in tensors:
        address = tensor.data_ptr()
        addresses.append(address)
        special.append(tensor.dtype)
        special.append(address & 15 == 0)
    key = tuple(special)
    known = _compiled.get(key)
    hook = triton.knobs.runtime.launch_enter_hook
    if known is None or getattr(hook, "calls", hook):  # a profiler listens
        if tile is not None:
            accumulated = tl.float64 if dtype == torch.float64 else tl.float32
            constants = {**tile._asdict(), "ACC": accumulated, **constants}
        compiled = kernel[grid](*tensors, *numbers, **constants, **launch_options())
        if compiled is not None and torch.version.hip is None:  # the interpreter gives none; AMD's specialises more
            handles = compiled.function, compiled.packed_metadata, None, None, None
            _compiled[key] = compiled.run, handles, [None] * len(constants)  # which are compiled in
        return
    run, handles, rest = known
    if form is not None and not reduce(or_, addresses) & 15 and len(_forms) < 4096:
        _forms[form] = index, run, (*grid, 1), handles, (*numbers, *rest)
    run(*grid, 1, torch._C._cuda_getCurrentRawStream(index), *handles, *addresses, *numbers, *rest)


def repeat(form: tuple[Any, ...], tensors: Sequence[Tensor]) -> bool:
    """Repeat the launch of this form with other tensors, if it is known; whether it was. A form is everything that
    kernel, numbers and constants follow from, the tensors' device, shapes, strides and dtypes among it, but not their
    alignment: only tensors that are aligned have one."""
    known = _forms.get(form)
    hook = triton.knobs.runtime.launch_enter_hook
    if known is None or getattr(hook, "calls", hook):
        return False
    index, run, grid, handles, rest = known
    addresses = [tensor.data_ptr() for tensor in tensors]
    if reduce(or_, addresses) & 15 or (index is not None and index != torch.cuda.current_device()):
        return False
    run(*grid, torch._C._cuda_getCurrentRawStream(index), *handles, *addresses, *rest)
    return True


@lru_cache(4096, typed=True)
def _classes(*numbers: float) -> tuple[Any, ...]:
    """How Triton tells numbers apart."""
    return tuple(float if isinstance(n, float) else (n == 1, n % 16 == 0, -(2**31) <= n < 2**31) for n in numbers)


_compiled: dict[tuple[Any, ...], tuple[Any, ...]] = {}
_forms: dict[tuple[Any, ...], tuple[Any, ...]] = {}
