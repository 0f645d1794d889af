# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
"""The loops: for each row, gather the legal entries by the bits of its words, and compute on those alone.

Each takes the rows `first` to `last` of whole arrays, so that a batch can be shared between threads.

Everything is computed in float64 and rounded once, at the end. A row's result depends on that row only. This file calls
no compiled function of another file: Numba's cache on disk looks at the file that defines a function and no further.
Illegal logits are never read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call, keep the result on disk, and let other threads run meanwhile."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def inlined(function: Callable[..., Any]) -> Any:
    """As `compiled`, and always inlined: Numba counts references, atomically, to each array that a call passes."""
    return numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function)


def _first_bit(_context, _word):
    def code(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.uint64(numba.uint64), code


first_bit: Any = intrinsic(_first_bit)  # position of the lowest set bit of a uint64, in one instruction
MASK32 = np.uint64(0xFFFFFFFF)
ONE, TWO, FOUR, HALF, WHOLE = (np.uint64(number) for number in (1, 2, 4, 32, 64))
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


@inlined
def exp(x):
    """e^x for x <= 0, below -708 as 0: 2^n e^r with |r| <= ln(2) / 2, Taylor to r^13, so that loops vectorise."""
    n = math.floor(x * 1.4426950408889634 + 0.5)
    n = max(n, -1022.0)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    scale = np.int64((np.int64(n) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return p * scale if x > -708.0 else 0.0


@inlined
def gather(words, row, size, last, columns):
    """Write the legal columns 0 .. last of a row to `columns`, ascending; return how many there are.

    Two words at a time; every index is unsigned, or Numba asks of each whether it counts from the end.
    """
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
        while word != np.uint64(0):
            columns[n] = w * HALF + first_bit(word)
            n += ONE
            word &= word - ONE
        w += TWO
    return np.int64(n)


@inlined
def total(values, n):
    """Sum of the first n values in four strands, always in the same order."""
    a = b = c = d = 0.0
    i, n = np.uint64(0), np.uint64(n)
    while i + FOUR <= n:
        a += values[i]
        b += values[i + ONE]
        c += values[i + TWO]
        d += values[i + TWO + ONE]
        i += FOUR
    while i < n:
        a += values[i]
        i += ONE
    return (a + b) + (c + d)


@inlined
def statistics(logits, row, columns, n, shifted, e, temperature):
    """Peak and log of the sum of e over the n legal entries; fills shifted = (x - peak) / temperature and e = exp of
    it.

    An undefined row (NaN or +inf among them, or nothing but -inf) has peak NaN, and `shifted` and `e` are not filled.
    """
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
    for i in range(n):
        e[i] = exp(shifted[i])
    return peak, math.log(total(e, n))


@compiled
def softmax(first, last, logits, words, period, log, fill, out):
    """masked_softmax, or its logarithm with `fill` at illegal entries."""
    size = logits.shape[1]
    columns = np.empty(size, np.uint32)
    e = np.empty(size)
    x, y = logits.reshape(-1), out.reshape(-1)
    for row in range(first, last):
        base = np.uint64(row) * np.uint64(size)
        y[base : base + np.uint64(size)] = fill
        n = np.uint64(gather(words, row, size, min(row % period, size - 1) if period else size - 1, columns))
        if n == 0:
            continue
        peak: Any = -np.inf
        sound: Any = True
        for i in range(n):
            value = np.float64(x[base + np.uint64(columns[np.uint64(i)])])
            e[np.uint64(i)] = value
            sound &= value < np.inf  # false of NaN, too
            peak = value if value > peak else peak
        if not sound or peak == -np.inf:
            for i in range(n):
                y[base + np.uint64(columns[np.uint64(i)])] = np.nan
            continue
        if log:
            log_sum = math.log(sum_of_exp(e, n, peak))
            for i in range(n):
                entry = base + np.uint64(columns[np.uint64(i)])
                y[entry] = np.float64(x[entry]) - peak - log_sum
        else:
            s = sum_of_exp(e, n, peak)
            for i in range(n):
                y[base + np.uint64(columns[np.uint64(i)])] = e[np.uint64(i)] / s


@inlined
def sum_of_exp(e, n, peak):
    """Replace the first n entries by exp(e - peak); their sum."""
    for i in range(n):
        e[np.uint64(i)] = exp(e[np.uint64(i)] - peak)
    return total(e, n)


@compiled
def softmax_backward(first, last, gradient, result, words, period, log, out):
    """dx = p (g - sum p g), or g - p sum g from log p."""
    size = result.shape[1]
    columns = np.empty(size, np.uint32)
    p, g, products = np.empty(size), np.empty(size), np.empty(size)
    incoming, y, dx = gradient.reshape(-1), result.reshape(-1), out.reshape(-1)
    for row in range(first, last):
        base = np.uint64(row) * np.uint64(size)
        dx[base : base + np.uint64(size)] = 0.0
        n = np.uint64(gather(words, row, size, min(row % period, size - 1) if period else size - 1, columns))
        for i in range(n):
            entry = base + np.uint64(columns[np.uint64(i)])
            p[np.uint64(i)] = y[entry]
            g[np.uint64(i)] = incoming[entry]
        if log:
            dot = total(g, n)
            for i in range(n):
                p[np.uint64(i)] = math.exp(p[np.uint64(i)])
            for i in range(n):
                j = np.uint64(i)
                dx[base + np.uint64(columns[j])] = g[j] - p[j] * dot
        else:
            for i in range(n):
                products[np.uint64(i)] = p[np.uint64(i)] * g[np.uint64(i)]
            dot = total(products, n)
            for i in range(n):
                j = np.uint64(i)
                dx[base + np.uint64(columns[j])] = p[j] * (g[j] - dot)


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


@compiled
def terms(first, last, logits, words, moves, log_prob, entropy, best, peaks, log_sums):
    """policy_terms: `moves` is empty where none are asked for."""
    size = logits.shape[1]
    columns = np.empty(size, np.int64)
    shifted, e = np.empty(size), np.empty(size)
    for row in range(first, last):
        log_prob[row] = entropy[row] = peaks[row] = log_sums[row] = 0.0
        best[row] = -1
        n = gather(words, row, size, size - 1, columns)
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        peaks[row], log_sums[row] = peak, log_sum
        place = find(columns, n, moves[row]) if moves.shape[0] else -1
        if peak != peak:
            entropy[row] = np.nan
            log_prob[row] = np.nan
        else:
            entropy[row] = entropy_of(shifted, e, n, log_sum)
            for i in range(n):
                if shifted[i] == 0.0:
                    best[row] = columns[i]
                    break
            log_prob[row] = shifted[place] - log_sum
        if place < 0:
            log_prob[row] = -np.inf if moves.shape[0] else 0.0


@compiled
def terms_backward(
    first, last, log_prob_gradient, entropy_gradient, logits, words, moves, peaks, log_sums, entropy, out
):
    """dx = g_logp (1[move] - p) - g_H p (log p + H); an empty gradient array stands for none."""
    size = logits.shape[1]
    columns = np.empty(size, np.int64)
    log_p, p = np.empty(size), np.empty(size)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, size - 1, columns)
        place = find(columns, n, moves[row]) if moves.shape[0] else -1
        gl = np.float64(log_prob_gradient[row]) if log_prob_gradient.shape[0] and place >= 0 else 0.0
        gh = np.float64(entropy_gradient[row]) if entropy_gradient.shape[0] else 0.0
        peak, log_sum, h = np.float64(peaks[row]), np.float64(log_sums[row]), np.float64(entropy[row])
        if peak != peak:
            for i in range(n):
                out[row, columns[i]] = np.nan
            continue
        for i in range(n):
            log_p[i] = np.float64(logits[row, columns[i]]) - peak - log_sum
        for i in range(n):
            p[i] = exp(min(log_p[i], 0.0))
        for i in range(n):
            value = -p[i] * (gl + gh * (log_p[i] + h)) if p[i] > 0.0 else 0.0
            out[row, columns[i]] = value
        if place >= 0:
            value = -p[place] * (gh * (log_p[place] + h)) if p[place] > 0.0 else 0.0
            out[row, columns[place]] = gl * (1.0 - p[place]) + value


@compiled
def cross_entropy(
    first, last, logits, words, offsets, targets, masses, dense, smoothing, z_loss, loss, peaks, log_sums, known
):
    """Cross-entropy of stored targets: row r's are offsets[r] .. offsets[r + 1]; an index target is one of mass 1.

    Or of `dense` targets [R, N], where that is not empty.
    """
    size = logits.shape[1]
    columns = np.empty(size, np.int64)
    shifted, e = np.empty(size), np.empty(size)
    for row in range(first, last):
        loss[row] = peaks[row] = log_sums[row] = 0.0
        n = gather(words, row, size, size - 1, columns)
        known[row] = True
        value = 0.0
        peak = log_sum = 0.0
        if n:
            peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
            peaks[row], log_sums[row] = peak, log_sum
        if dense.shape[0]:
            present = 0
            for i in range(size):
                present += 1 if dense[row, i] != 0.0 else 0
            for i in range(n):
                q = np.float64(dense[row, columns[i]])
                if q != 0.0:
                    present -= 1
                    value -= (1.0 - smoothing) * q * (shifted[i] - log_sum)
            known[row] = present == 0
        begin, end = (0, 0) if dense.shape[0] else (offsets[row], offsets[row + 1])
        for i in range(begin, end):
            place = find(columns, n, targets[i])
            if place < 0:
                known[row] = known[row] and masses[i] == 0.0
            elif masses[i] != 0.0:
                value -= (1.0 - smoothing) * masses[i] * (shifted[place] - log_sum)
        if n == 0:
            continue
        if smoothing > 0.0:
            value -= smoothing / n * (total(shifted, n) - n * log_sum)
        value += z_loss * (peak + log_sum) ** 2
        loss[row] = (value if peak == peak else np.nan) if known[row] else np.inf


@compiled
def cross_entropy_backward(
    first,
    last,
    gradient,
    logits,
    words,
    offsets,
    targets,
    masses,
    dense,
    smoothing,
    z_loss,
    peaks,
    log_sums,
    known,
    out,
):
    """dx = g [(sum q' + 2 z log Z) p - q'], 0 in a row whose target is illegal."""
    size = logits.shape[1]
    columns = np.empty(size, np.int64)
    log_p, p = np.empty(size), np.empty(size)
    for row in range(first, last):
        out[row, :] = 0.0
        n = gather(words, row, size, size - 1, columns)
        if n == 0 or not known[row]:
            continue
        g, peak, log_sum = np.float64(gradient[row]), np.float64(peaks[row]), np.float64(log_sums[row])
        if peak != peak:
            for i in range(n):
                out[row, columns[i]] = np.nan
            continue
        begin, end = (0, 0) if dense.shape[0] else (offsets[row], offsets[row + 1])
        mass = 0.0
        for i in range(begin, end):
            mass += masses[i]
        for i in range(n if dense.shape[0] else 0):
            mass += dense[row, columns[i]]
        pull = (1.0 - smoothing) * mass + smoothing + 2.0 * z_loss * (peak + log_sum)
        for i in range(n):
            log_p[i] = np.float64(logits[row, columns[i]]) - peak - log_sum
        for i in range(n):
            p[i] = pull * exp(min(log_p[i], 0.0)) - smoothing / n
        for i in range(begin, end):
            place = find(columns, n, targets[i])
            if place >= 0:
                p[place] -= (1.0 - smoothing) * masses[i]
        for i in range(n if dense.shape[0] else 0):
            p[i] -= (1.0 - smoothing) * dense[row, columns[i]]
        for i in range(n):
            out[row, columns[i]] = g * p[i]


@inlined
def noise(seed, key, stream, columns, n, out):
    """Gumbel noise of n columns: Philox4x32-10, key = seed, counter (column // 4, row key, stream), output column % 4.

    u = (bits + 1/2) 2^-32, at most 1 - 2^-24, is open at both ends, so that no noise is infinite.
    """
    quad = np.int64(-1)
    a = b = c = d = np.uint64(0)
    for i in range(n):
        if columns[i] // 4 != quad:
            quad = columns[i] // 4
            a, b = np.uint64(quad), np.uint64(key) & MASK32
            c, d = (np.uint64(key) >> np.uint64(32)) & MASK32, np.uint64(stream)
            k0, k1 = np.uint64(seed) & MASK32, (np.uint64(seed) >> np.uint64(32)) & MASK32
            for _ in range(10):
                p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
                a, b, c, d = (
                    (q >> np.uint64(32)) ^ b ^ k0,
                    q & MASK32,
                    (p >> np.uint64(32)) ^ d ^ k1,
                    p & MASK32,
                )
                k0 = (k0 + np.uint64(0x9E3779B9)) & MASK32
                k1 = (k1 + np.uint64(0xBB67AE85)) & MASK32
        lane = columns[i] % 4
        bits = a if lane == 0 else b if lane == 1 else c if lane == 2 else d
        u = min((np.float64(bits) + 0.5) * 2.0**-32, 1.0 - 2.0**-24)
        out[i] = -math.log(-math.log1p(-u))


@compiled
def sample(first, last, logits, words, seed, keys, temperature, moves, log_prob, entropy):
    """argmax of y + noise over the legal entries, its log-probability, and the entropy at the temperature."""
    size = logits.shape[1]
    columns = np.empty(size, np.int64)
    shifted, e, gumbel = np.empty(size), np.empty(size), np.empty(size)
    for row in range(first, last):
        moves[row] = -1
        log_prob[row] = entropy[row] = 0.0
        n = gather(words, row, size, size - 1, columns)
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, temperature)
        if peak != peak:
            log_prob[row] = entropy[row] = np.nan
            continue
        noise(seed, keys[row], 0, columns, n, gumbel)
        place, top = 0, -np.inf
        for i in range(n):
            if shifted[i] + gumbel[i] > top:
                place, top = i, shifted[i] + gumbel[i]
        moves[row] = columns[place]
        log_prob[row] = shifted[place] - log_sum
        entropy[row] = entropy_of(shifted, e, n, log_sum)


@compiled
def top_k(first, last, logits, words, seed, keys, indices, scores):
    """The k entries with the largest logit + noise, best first; an entry of probability 0 is never drawn."""
    size = logits.shape[1]
    columns = np.empty(size, np.int64)
    shifted, e, gumbel = np.empty(size), np.empty(size), np.empty(size)
    for row in range(first, last):
        indices[row, :] = -1
        scores[row, :] = -np.inf
        n = gather(words, row, size, size - 1, columns)
        if n == 0:
            continue
        peak, _log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        if peak != peak:
            scores[row, :] = np.nan
            continue
        noise(seed, keys[row], 1, columns, n, gumbel)
        for i in range(n):
            gumbel[i] += shifted[i]
        for k in range(min(n, indices.shape[1])):
            place = np.argmax(gumbel[:n])
            if gumbel[place] == -np.inf:
                break
            indices[row, k] = columns[place]
            scores[row, k] = gumbel[place] + peak
            gumbel[place] = -np.inf


@compiled
def compact(first, last, logits, words, values, indices, counts, peaks, log_sums):
    """Log-probabilities of the legal entries, packed to the left."""
    size, width = logits.shape[1], values.shape[1]
    columns = np.empty(size, np.int64)
    shifted, e = np.empty(size), np.empty(size)
    for row in range(first, last):
        values[row, :] = -np.inf
        indices[row, :] = -1
        n = gather(words, row, size, size - 1, columns)
        counts[row] = n
        peaks[row] = log_sums[row] = 0.0
        if n == 0:
            continue
        peak, log_sum = statistics(logits, row, columns, n, shifted, e, 1.0)
        peaks[row], log_sums[row] = peak, log_sum
        for i in range(min(n, width)):
            indices[row, i] = columns[i]
            values[row, i] = shifted[i] - log_sum if peak == peak else np.nan


@compiled
def invalid_mass(first, last, probabilities, words, out):
    """Sum of |p| over illegal entries; NaN and infinity come through."""
    size = probabilities.shape[1]
    for row in range(first, last):
        mass = 0.0
        for w in range(words.shape[1]):
            word = np.uint32(words[row, w])
            if word == 0 and size - 32 * w >= 32:
                a = b = c = d = 0.0
                for i in range(32 * w, 32 * w + 32, 4):
                    a += abs(np.float64(probabilities[row, i]))
                    b += abs(np.float64(probabilities[row, i + 1]))
                    c += abs(np.float64(probabilities[row, i + 2]))
                    d += abs(np.float64(probabilities[row, i + 3]))
                mass += (a + b) + (c + d)
                continue
            for i in range(min(32, size - 32 * w)):
                p = abs(np.float64(probabilities[row, 32 * w + i]))
                mass += 0.0 if (word >> np.uint32(i)) & np.uint32(1) else p
        out[row] = mass


@compiled
def pack(first, last, mask, words):
    """Bytes to bits."""
    size = mask.shape[1]
    for row in range(first, last):
        for w in range(words.shape[1]):
            word = np.uint32(0)
            for i in range(min(32, size - 32 * w)):
                word |= np.uint32(mask[row, 32 * w + i] != 0) << np.uint32(i)
            words[row, w] = np.int32(word)


@compiled
def pack_eights(first, last, mask, words):
    """The same from eight bytes at a time: uint64 `[R, N / 8]` to uint8 `[R, 4 W]`, little end first."""
    eights = mask.shape[1]
    for row in range(first, last):
        words[row, eights:] = 0
        for i in range(eights):
            x = mask[row, i]
            # The high bit of each byte: is it nonzero? Then gather the eight high bits into one byte.
            x = (((x & np.uint64(0x7F7F7F7F7F7F7F7F)) + np.uint64(0x7F7F7F7F7F7F7F7F)) | x) >> np.uint64(7)
            x &= np.uint64(0x0101010101010101)
            words[row, i] = np.uint8((x * np.uint64(0x0102040810204080)) >> np.uint64(56))
