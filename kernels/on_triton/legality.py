# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Masks to words and back, and the mass on illegal entries."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import launch, operand, tile_for
from kernels.on_triton.tiles import at, columns_of, legal_tile, program_rows, read, row_sum
from kernels.ops.arguments import per_row

WORDS = 64  # words a program: 2,048 columns


@triton.jit
def pack_kernel(mask, words, size, width, m_row, m_col, WORDS: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr):
    """Bit i of word w is whether byte 32 w + i is nonzero; bits of different lanes never meet, so a sum joins them.
    WIDE: rows are whole groups of V = 8 bytes, each one load, as the matrices of the other kernels are."""
    row = tl.program_id(0).to(tl.int64)
    word = tl.program_id(1) * WORDS + tl.arange(0, WORDS)
    first = word[:, None] * 32 + tl.arange(0, 32 // V)[None, :] * V
    column = first[:, :, None] + tl.arange(0, V)[None, None, :]
    if WIDE:
        byte = tl.load(mask + row * m_row * V + column, mask=(first < size)[:, :, None] & (column >= 0), other=0)
    else:
        byte = tl.load(mask + row * m_row + at(column, m_col), mask=column < size, other=0)
    bits = (byte != 0).to(tl.int32) << (column % 32)
    tl.store(words + row * width + word, tl.sum(tl.sum(bits, 2), 1), mask=word < width)


@triton.jit
def unpack_kernel(words, mask, size, w_row, w_col, WORDS: tl.constexpr):
    """Byte 32 w + i is bit i of word w."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WORDS * 32 + tl.arange(0, WORDS * 32)
    inside = column < size
    word = tl.load(words + row * w_row + at(column // 32, w_col), mask=inside, other=0)
    tl.store(mask + row * size + column, ((word >> (column % 32)) & 1).to(tl.uint8), mask=inside)


@triton.jit
def invalid_mass_kernel(
    probabilities, words, out,
    count, size, p_row, p_col, w_row, w_col,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """Sum of |p| over illegal entries. A sum keeps NaN, where a maximum may drop it."""
    rows, live = program_rows(count, R)
    total = tl.zeros([R], ACC)
    for start in range(0, size, G * V):
        legal, _some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V)
        inside = (columns_of(start, G, V) < size) & live[:, None, None]
        group = (start + tl.arange(0, G) * V < size)[None, :, None] & live[:, None, None]
        illegal = inside & (legal == 0)
        total += row_sum(tl.abs(read(probabilities, p_row, p_col, rows, start, illegal, group, 0.0, G, V, WIDE, ACC)))
    tl.store(out + rows, total, mask=live)


def pack_legal(mask: Tensor) -> Tensor:
    """bool or uint8 `[R, N]`, any strides -> int32 `[R, W]`."""
    mask = mask.view(torch.uint8)
    count, size = mask.shape
    width = triton.cdiv(size, 32)
    words = torch.empty((count, width), dtype=torch.int32, device=mask.device)
    if words.numel():
        m = operand(mask, tile_for(size, torch.float32))
        grid, given = (count, triton.cdiv(width, WORDS)), (mask, words)
        launch(
            pack_kernel, None, None, given, size, width, m.row, m.column, grid=grid, WORDS=WORDS, V=8, WIDE=m.wide
        )  # fmt: skip
    return words


def unpack_legal(words: Tensor, size: int) -> Tensor:
    """int32 `[R, W]`, any strides -> bool `[R, size]`."""
    count = words.shape[0]
    mask = torch.empty((count, size), dtype=torch.uint8, device=words.device)
    if mask.numel():
        grid = count, triton.cdiv(triton.cdiv(size, 32), WORDS)
        launch(unpack_kernel, None, None, (words, mask), size, *words.stride(), grid=grid, WORDS=WORDS)
    return mask.view(torch.bool)


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """Launch over `[R, N]`."""
    count, size = probabilities.shape
    (out,) = per_row(probabilities, 1)
    tile = tile_for(size, probabilities.dtype)
    p = operand(probabilities, tile)
    launch(
        invalid_mass_kernel, tile, probabilities.dtype, (probabilities, words, out), count, size, p.row, p.column,
        *words.stride(), WIDE=p.wide,
    )  # fmt: skip
    return out
