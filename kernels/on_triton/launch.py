"""Shapes of the tiles: how many rows and columns a program takes, and by how many warps."""

from contextlib import AbstractContextManager, nullcontext
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


def launch(kernel: Any, tile: Tile, dtype: torch.dtype, *arguments: Any, **constants: Any) -> None:
    """Run `kernel` over the rows of its first argument, if there are any, and accumulate as `dtype` does."""
    rows = arguments[0].shape[0]
    accumulated = tl.float64 if dtype == torch.float64 else tl.float32
    if rows:
        with on_device(arguments[0]):
            kernel[(triton.cdiv(rows, tile.R),)](
                *arguments, R=tile.R, G=tile.G, V=tile.V, ACC=accumulated, **constants, **launch_options()
            )


def on_device(tensor: Tensor) -> AbstractContextManager[Any]:
    """Make the tensor's GPU current: a kernel runs on the current one, wherever its arguments are."""
    return torch.cuda.device(tensor.device) if tensor.device.type == "cuda" else nullcontext()
