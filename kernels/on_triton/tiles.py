# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""What every kernel shares: walking a row by tiles, reading its legal entries, and their running statistics. A tile is
[R, G, V]: R rows, G groups of V neighbouring columns. Legality is one bit a column, so a group's bits lie in one word
(V divides 32)."""

import triton
import triton.language as tl


@triton.jit
def program_rows(count, R: tl.constexpr):
    """Rows of this program as int64, for row * stride passes 2^31; and which of them exist."""
    rows = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    return rows, rows < count


@triton.jit
def columns_of(start, G: tl.constexpr, V: tl.constexpr):
    """Columns of a tile, [1, G, V]."""
    first = start + tl.arange(0, G) * V
    return first[None, :, None] + tl.arange(0, V)[None, None, :]


@triton.jit
def at(columns, stride):
    """Offset of columns as int64, for column * stride passes 2^31 in transposed matrices of a million rows."""
    return columns.to(tl.int64) * stride


@triton.jit
def legal_tile(
    words, w_row, w_col, rows, live, start, size, G: tl.constexpr, V: tl.constexpr,
    period=0, CAUSAL: tl.constexpr = False,
):  # fmt: skip
    """Legality [R, G, V], and [R, G, 1] where a group holds a legal entry."""
    first = start + tl.arange(0, G) * V
    address = words + rows[:, None] * w_row + at(first // 32, w_col)[None, :]
    word = tl.load(address, mask=live[:, None] & (first < size)[None, :], other=0)
    bits = word >> (first % 32)[None, :]
    lane = tl.arange(0, V)[None, None, :]
    columns = columns_of(start, G, V)
    # The last word's spare bits may hold anything.
    legal = (((bits[:, :, None] >> lane) & 1) != 0) & (columns < size)
    if CAUSAL:
        legal = legal & (columns <= (rows % period)[:, None, None])
    some = (bits & ((1 << V) - 1)) != 0
    return legal, some[:, :, None]


@triton.jit
def read(
    matrix, m_row, m_col, rows, start, legal, some, other,
    G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """Entries of a tile where they are legal, as ACC, and `other` elsewhere. WIDE: a group's mask is the same for all
    its lanes, so it stays one 128-bit load (or two); what it brings in from illegal lanes is selected away before any
    arithmetic. Otherwise each legal lane is loaded by itself."""
    columns = columns_of(start, G, V)
    if WIDE:
        value = tl.load(matrix + rows[:, None, None] * m_row * V + columns, mask=some & (columns >= 0))
    else:
        value = tl.load(matrix + rows[:, None, None] * m_row + at(columns, m_col), mask=legal)
    return tl.where(legal, value.to(ACC), other)


@triton.jit
def write(matrix, m_row, rows, live, start, size, value, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr):
    """Store a whole tile of a contiguous matrix."""
    columns = columns_of(start, G, V)
    value = value.to(matrix.dtype.element_ty)
    if WIDE:
        inside = (start + tl.arange(0, G) * V < size)[None, :, None] & live[:, None, None]
        tl.store(matrix + rows[:, None, None] * m_row * V + columns, value, mask=inside & (columns >= 0))
    else:
        tl.store(matrix + rows[:, None, None] * m_row + columns, value, mask=live[:, None, None] & (columns < size))


@triton.jit
def row_sum(value):
    """[R, G, V] -> [R]."""
    return tl.sum(tl.sum(value, 2), 1)


@triton.jit
def row_max(value):
    """[R, G, V] -> [R]; the caller has taken NaN out, which maxima treat differently from backend to backend."""
    return tl.max(tl.max(value, 2), 1)


@triton.jit
def row_min(value):
    """[R, G, V] -> [R]."""
    return tl.min(tl.min(value, 2), 1)


@triton.jit
def fold(m, s, t, x, temperature, HOT: tl.constexpr):
    """Take a tile into the running maximum m, s = sum e and t = sum e y, where y = (x - m) / temperature, e = exp y.

    All are [R]; x is -inf where illegal; temperature counts only if HOT. When m grows by d, every y falls by d and
    every e shrinks by exp(-d). While nothing but -inf has been seen, the reference is 0 instead: -inf - -inf would be
    NaN, and a row may begin with an illegal slice.
    """
    new = tl.maximum(m, row_max(x))
    reference = tl.where(new == float("-inf"), 0.0, new)
    change = tl.where(m == float("-inf"), 0.0, m - reference)
    shifted = x - reference[:, None, None]
    if HOT:
        change = change / temperature
        shifted = shifted / temperature
    scale = tl.exp(change)
    e = tl.exp(shifted)
    t = (t + s * change) * scale + row_sum(tl.where(e > 0.0, e * shifted, 0.0))
    s = s * scale + row_sum(e)
    return new, s, t


@triton.jit
def settle(m, s, nan, count):
    """Peak, log of the sum, emptiness and definedness of a row from its statistics, all [R]. Undefined: a NaN or +inf
    among the legal logits, or nothing but -inf. Its peak is NaN and so is all that follows."""
    empty = count == 0
    undefined = ((nan > 0) | (m == float("inf")) | (m == float("-inf"))) & (count > 0)
    peak = tl.where(empty, 0.0, tl.where(undefined, float("nan"), m))
    log_sum = tl.where(empty | undefined, 0.0, tl.log(tl.where(empty | undefined, 1.0, s)))
    return peak, log_sum, empty, undefined


@triton.jit
def statistics(
    logits, x_row, x_col, words, w_row, w_col, rows, live, size,
    R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, WIDE: tl.constexpr, ACC: tl.constexpr,
    period=0, CAUSAL: tl.constexpr = False, temperature=1.0, HOT: tl.constexpr = False,
):  # fmt: skip
    """One pass over the rows, all [R]: peak, log_sum, empty, undefined as in `settle`; s, t as in `fold`; the number of
    legal entries; the first best column.
    """
    m = tl.full([R], float("-inf"), ACC)
    s = tl.zeros([R], ACC)
    t = tl.zeros([R], ACC)
    nan = tl.zeros([R], tl.int32)
    count = tl.zeros([R], tl.int32)
    best = tl.zeros([R], tl.int32)
    for start in range(0, size, G * V):
        legal, some = legal_tile(words, w_row, w_col, rows, live, start, size, G, V, period, CAUSAL)
        x = read(logits, x_row, x_col, rows, start, legal, some, float("-inf"), G, V, WIDE, ACC)
        nan = tl.maximum(nan, row_max((x != x).to(tl.int32)))
        x = tl.where(x != x, float("-inf"), x)
        top = row_max(x)
        place = row_min(tl.where(legal & (x == top[:, None, None]), columns_of(start, G, V), size))
        best = tl.where(top > m, place, best)
        count += row_sum(legal.to(tl.int32))
        m, s, t = fold(m, s, t, x, temperature, HOT)
    peak, log_sum, empty, undefined = settle(m, s, nan, count)
    return peak, log_sum, empty, undefined, s, t, count, best


@triton.jit
def entry_legal(words, w_row, w_col, rows, live, index, size):
    """Whether one column a row, `index` [R] of any integer, is in range and legal; never reads out of bounds."""
    inside = live & (index >= 0) & (index < size)
    column = tl.where(inside, index, 0)
    word = tl.load(words + rows * w_row + at(column // 32, w_col), mask=inside, other=0)
    return (((word >> (column % 32).to(tl.int32)) & 1) != 0) & inside
