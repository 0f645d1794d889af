# mypy: allow-untyped-defs, allow-untyped-calls
"""What every loop needs of a row: its legal columns, and the statistics of the logits that stand there. A loop gathers
the legal entries of a row by the bits of its words and computes on those alone; illegal logits are never read.
Everything is computed in float64 and rounded once, at the end. A row's result depends on that row only."""

import math

import numpy as np

from kernels.compilation import bit_intrinsic, inlined

ONE, TWO, FOUR, HALF, WHOLE = (np.uint64(number) for number in (1, 2, 4, 32, 64))
SLACK = 16  # entries that a scratch array of a row has beyond the row's width
first_bit = bit_intrinsic("cttz")
count_bits = bit_intrinsic("ctpop")
ROUND = 1.5 * 2.0**52
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


@inlined
def exp(x):
    """e^x for x <= 0, below -708 as 0: 2^n e^r with |r| <= ln(2) / 2, Taylor to r^13, so that loops vectorise. The
    terms are added in pairs, not in one chain (Estrin): what counts is how long a result waits for the one before."""
    y = x if x > -708.0 else -708.0
    t = np.float64(y * 1.4426950408889634 + ROUND)  # its lowest bits are the nearest whole number
    n = t - ROUND
    r = (y - n * LN2_HIGH) - n * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = ((1.0 + r) + (0.5 + r * (1.0 / 6.0)) * r2) + (
        (1.0 / 24.0 + r * (1.0 / 120.0)) + (1.0 / 720.0 + r * (1.0 / 5040.0)) * r2
    ) * r4
    high = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) * r2
    high += (1.0 / 479001600.0 + r * (1.0 / 6227020800.0)) * r4
    p = low + high * (r4 * r4)
    scale = np.int64((t.view(np.int64) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return p * scale if x > -708.0 else 0.0


@inlined
def spread(word, first, columns, n):
    """Append `first` plus the place of each set bit to the n columns found so far; return how many there are now. Four
    places at a time, needed or not: a branch for each bit would be guessed wrong at every other word."""
    more = n + count_bits(word)
    while n < more:
        columns[n] = first + first_bit(word)
        word &= word - ONE
        columns[n + ONE] = first + first_bit(word)
        word &= word - ONE
        columns[n + TWO] = first + first_bit(word)
        word &= word - ONE
        columns[n + TWO + ONE] = first + first_bit(word)
        word &= word - ONE
        n += FOUR
    return more


@inlined
def gather(words, row, size, last, columns):
    """Write the legal columns 0 .. last of a row to `columns` (width + SLACK), ascending; return how many there are.
    Two words at a time; every index is unsigned, or Numba asks of each whether it counts from the end."""
    n, end = np.uint64(0), np.uint64(last) + ONE
    width = np.uint64((size + 31) // 32)
    base = np.uint64(row) * np.uint64(words.shape[1])
    flat = words.reshape(-1)
    w = np.uint64(0)
    while w * HALF < end:
        word = np.uint64(np.uint32(flat[base + w]))
        if w + ONE < width:
            word |= np.uint64(np.uint32(flat[base + w + ONE])) << HALF
        left = end - w * HALF
        if left < WHOLE:  # spare bits, and columns past a causal row's own
            word &= (ONE << left) - ONE
        n = spread(word, w * HALF, columns, n)
        w += TWO
    return np.int64(n)


@inlined
def padded(values, n, value):
    """Fill up the first n entries with `value` to a multiple of 16, so that no vector loop has a rest; return it."""
    n = np.uint64(n)
    whole = (n + np.uint64(15)) & ~np.uint64(15)
    for i in range(whole - n):
        values[n + np.uint64(i)] = value
    return whole


@inlined
def total(values, n):
    """Sum of the first n values (width + SLACK), in eight strands, always in the same order; writes zeros behind."""
    whole = padded(values, n, 0.0)
    a = b = c = d = e = f = g = h = 0.0
    i = np.uint64(0)
    while i < whole:
        a += values[i]
        b += values[i + ONE]
        c += values[i + TWO]
        d += values[i + TWO + ONE]
        e += values[i + FOUR]
        f += values[i + FOUR + ONE]
        g += values[i + FOUR + TWO]
        h += values[i + FOUR + TWO + ONE]
        i += FOUR + FOUR
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@inlined
def statistics(logits, row, columns, n, shifted, e, temperature):
    """Peak and log of the sum of e over the n legal entries; fills shifted = (x - peak) / temperature and e = exp of
    it. An undefined row (NaN or +inf among them, or nothing but -inf) has peak NaN, and `shifted` and `e` are not
    filled."""
    peak = -np.inf
    sound = True
    for i in range(n):
        x = np.float64(logits[row, columns[i]])
        shifted[i] = x
        if not x < np.inf:  # true of NaN, too
            sound = False
        peak = x if x > peak else peak
    if not sound or peak == -np.inf:
        return np.nan, 0.0
    for i in range(n):
        shifted[i] = (shifted[i] - peak) / temperature
    for i in range(padded(shifted, n, -np.inf)):
        e[np.uint64(i)] = exp(shifted[np.uint64(i)])
    return peak, math.log(total(e, n))


@inlined
def probabilities(logits, row, columns, n, peak, log_sum, log_p, p):
    """Fill log_p and p of the n legal entries from the peak and log_sum that the forward saved."""
    for i in range(n):
        log_p[i] = np.float64(logits[row, columns[i]]) - peak - log_sum
    for i in range(n):
        p[i] = exp(min(log_p[i], 0.0))


@inlined
def find(columns, n, column):
    """Place of `column` among the first n, or -1."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if columns[middle] < column:
            low = middle + 1
        else:
            high = middle
    return low if low < n and columns[low] == column else -1


@inlined
def entropy_of(shifted, e, n, log_sum):
    """log(sum) - sum e y / sum e, with 0 * -inf = 0."""
    s = t = 0.0
    for i in range(n):
        s += e[i]
        if e[i] > 0.0:
            t += e[i] * shifted[i]
    return log_sum - t / s
