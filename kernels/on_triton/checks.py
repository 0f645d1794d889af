# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""invalid_mass and row_status."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.on_triton.launch import accumulator, launch_options, on_device, operand, tile_for
from kernels.on_triton.tiles import columns_of, entry_legal, legal_tile, program_rows, read, row_sum, settle, statistics


@triton.jit
def invalid_mass_kernel(
    probabilities,
    words,
    out,
    count,
    size,
    p_row,
    p_col,
    w_row,
    w_col,
    R: tl.constexpr,
    G: tl.constexpr,
    V: tl.constexpr,
    WIDE: tl.constexpr,
    ACC: tl.constexpr,
):
    """Sum of |p| over illegal entries. A sum keeps NaN, where a maximum may drop it."""
    rows, live = program_rows(count, R)
    total = tl.zeros([R], ACC)
    for start in range(0, size, G * V):
        legal, _some = legal_tile(words, w_row, w_col, rows, live, start, size, 0, G, V, False)
        inside = (columns_of(start, G, V) < size) & live[:, None, None]
        group = (start + tl.arange(0, G) * V < size)[None, :, None] & live[:, None, None]
        illegal = inside & (legal == 0)
        total += row_sum(tl.abs(read(probabilities, p_row, p_col, rows, start, illegal, group, 0.0, G, V, WIDE, ACC)))
    tl.store(out + rows, total, mask=live)


@triton.jit
def row_status_kernel(
    logits,
    words,
    targets,
    out,
    count,
    size,
    x_row,
    x_col,
    w_row,
    w_col,
    R: tl.constexpr,
    G: tl.constexpr,
    V: tl.constexpr,
    WIDE: tl.constexpr,
    TARGETS: tl.constexpr,
    ACC: tl.constexpr,
):
    """1: no legal entry; 2: undefined; 4: illegal target."""
    rows, live = program_rows(count, R)
    m, s, _t, nan, legal_count, _best = statistics(
        logits, x_row, x_col, words, w_row, w_col, rows, live, size, 0, 1.0, R, G, V, WIDE, False, False, ACC
    )
    _peak, _log_sum, empty, undefined = settle(m, s, nan, legal_count)
    status = empty.to(tl.int32) + 2 * undefined.to(tl.int32)
    if TARGETS:
        target = tl.load(targets + rows, mask=live, other=-1)
        known = entry_legal(words, w_row, w_col, rows, live, target, size)
        status += 4 * (known == 0).to(tl.int32)
    tl.store(out + rows, status, mask=live)


def invalid_mass(probabilities: Tensor, words: Tensor) -> Tensor:
    """Launch over `[R, N]`."""
    count, size = probabilities.shape
    exact = torch.float64 if probabilities.dtype == torch.float64 else torch.float32
    out = torch.empty(count, dtype=exact, device=probabilities.device)
    if count:
        tile = tile_for(size, probabilities.dtype)
        p = operand(probabilities, tile)
        with on_device(probabilities):
            invalid_mass_kernel[(triton.cdiv(count, tile.R),)](
                probabilities, words, out, count, size, p.row, p.column, *words.stride(), R=tile.R, G=tile.G, V=tile.V,
                WIDE=p.wide, ACC=accumulator(probabilities.dtype), **launch_options(),
            )  # fmt: skip
    return out


def row_status(logits: Tensor, words: Tensor, targets: Tensor | None) -> Tensor:
    """Launch over `[R, N]`."""
    count, size = logits.shape
    out = torch.empty(count, dtype=torch.int32, device=logits.device)
    if count:
        tile = tile_for(size, logits.dtype)
        x = operand(logits, tile)
        with on_device(logits):
            row_status_kernel[(triton.cdiv(count, tile.R),)](
                logits, words, out if targets is None else targets.contiguous(), out, count, size, x.row, x.column,
                *words.stride(), R=tile.R, G=tile.G, V=tile.V, WIDE=x.wide, TARGETS=targets is not None,
                ACC=accumulator(logits.dtype), **launch_options(),
            )  # fmt: skip
    return out
