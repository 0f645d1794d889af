# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Masks to words and back."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import launch_options, on_device, operand, tile_for

WORDS = 64  # words a program: 2,048 columns


@triton.jit
def pack_kernel(mask, words, size, width, m_row, m_col, WORDS: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr):
    """Bit i of word w is whether byte 32 w + i is nonzero; bits of different lanes never meet, so a sum joins them.

    WIDE: rows are whole groups of V = 8 bytes, each one load, as the matrices of the other kernels are.
    """
    row = tl.program_id(0).to(tl.int64)
    word = tl.program_id(1) * WORDS + tl.arange(0, WORDS)
    first = word[:, None] * 32 + tl.arange(0, 32 // V)[None, :] * V
    column = first[:, :, None] + tl.arange(0, V)[None, None, :]
    if WIDE:
        byte = tl.load(mask + row * m_row * V + column, mask=(first < size)[:, :, None] & (column >= 0), other=0)
    else:
        byte = tl.load(mask + row * m_row + column * m_col, mask=column < size, other=0)
    bits = (byte != 0).to(tl.int32) << (column % 32)
    tl.store(words + row * width + word, tl.sum(tl.sum(bits, 2), 1), mask=word < width)


@triton.jit
def unpack_kernel(words, mask, size, w_row, w_col, WORDS: tl.constexpr):
    """Byte 32 w + i is bit i of word w."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WORDS * 32 + tl.arange(0, WORDS * 32)
    inside = column < size
    word = tl.load(words + row * w_row + (column // 32) * w_col, mask=inside, other=0)
    tl.store(mask + row * size + column, ((word >> (column % 32)) & 1).to(tl.uint8), mask=inside)


def pack_legal(mask: Tensor) -> Tensor:
    """uint8 `[R, N]`, any strides -> int32 `[R, W]`."""
    count, size = mask.shape
    width = triton.cdiv(size, 32)
    words = torch.empty((count, width), dtype=torch.int32, device=mask.device)
    if words.numel():
        with on_device(mask):
            grid = (count, triton.cdiv(width, WORDS))
            m = operand(mask, tile_for(size, torch.float32))
            pack_kernel[grid](
                mask, words, size, width, m.row, m.column, WORDS=WORDS, V=8, WIDE=m.wide, **launch_options()
            )
    return words


def unpack_legal(words: Tensor, size: int) -> Tensor:
    """int32 `[R, W]`, any strides -> bool `[R, size]`."""
    count = words.shape[0]
    mask = torch.empty((count, size), dtype=torch.uint8, device=words.device)
    if mask.numel():
        with on_device(words):
            grid = (count, triton.cdiv(triton.cdiv(size, 32), WORDS))
            unpack_kernel[grid](words, mask, size, *words.stride(), WORDS=WORDS, **launch_options())
    return mask.view(torch.bool)
