"""The transposition table: what earlier searches found out about positions, in a fixed amount of memory."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined

ENTRY: Final = np.dtype(
    [
        ("key", np.uint64),  # all of it: a false match would need the same 64 bits
        ("move", np.uint16),  # best move, or NO_MOVE
        ("score", np.int16),  # mates counted from this position
        ("static", np.int16),  # the network's score, or UNKNOWN
        ("depth", np.int8),
        ("mark", np.uint8),  # kind of bound, and 4 x the number of the search that wrote it
    ],
    align=True,
)
Table = NDArray[Any]  # [N] of ENTRY; N is a power of two, at least WAYS
WAYS: Final = 4  # entries that a position may take: 64 bytes, a cache line
NO_MOVE: Final = 65535
UNKNOWN: Final = -32768
EXACT, AT_LEAST, AT_MOST = 1, 2, 3
"""Kinds of bound; 0 is an empty entry."""
_AGES: Final = 64


def make_table(megabytes: int) -> Table:
    """An empty table: the largest power of two of entries that fits."""
    entries = 2 ** int(np.log2(max(megabytes, 1) * 2**20 / ENTRY.itemsize))
    return np.zeros(entries, ENTRY)


@inlined
def find(table: Table, key: np.uint64) -> np.int64:
    """Index of the entry of `key`; -1 if there is none."""
    first = np.int64(key & np.uint64(table.shape[0] - WAYS))
    found = np.int64(-1)
    for way in range(WAYS):
        if table[first + way].key == key and table[first + way].mark & 3 != 0:
            found = first + way
    return found


@inlined
def store(
    table: Table, key: np.uint64, age: np.int64, depth: np.int64, bound: np.int64, score: np.int64, static: np.int64,
    move: np.int64,
) -> None:  # fmt: skip
    """Keep what was found, in place of the same position's entry or of the shallowest and oldest one.

    A deeper entry of the same position survives a bound that is much shallower; a known move survives none."""
    first = np.int64(key & np.uint64(table.shape[0] - WAYS))
    place, least = first, np.int64(1_000_000)
    for way in range(WAYS):
        entry = table[first + way]
        kind = np.int64(entry.mark & 3)
        if kind != 0 and entry.key == key:
            place = first + way
            if bound != EXACT and np.int64(entry.depth) > depth + 3 and np.int64(entry.mark) >> 2 == age:
                return
            if move == NO_MOVE:
                move = np.int64(entry.move)
            break
        worth = np.int64(entry.depth) - 8 * ((age - (np.int64(entry.mark) >> 2)) & (_AGES - 1))
        if kind == 0:
            worth = np.int64(-1_000_000)
        if worth < least:
            place, least = first + way, worth
    entry = table[place]
    entry.key = key
    entry.move = np.uint16(move)
    entry.score = np.int16(score)
    entry.static = np.int16(static)
    entry.depth = np.int8(min(depth, np.int64(127)))
    entry.mark = np.uint8(bound | ((age & (_AGES - 1)) << 2))


def fullness(table: Table, age: int) -> float:
    """Share of the first entries that this search wrote."""
    return float(np.mean((table["mark"][:1000] >> 2 == age % _AGES) & (table["mark"][:1000] & 3 != 0)))
