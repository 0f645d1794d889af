"""Repetition: a 64-bit key for what makes two positions the same, and counting keys in a game.

Two positions are the same when pieces, side to move, castling rights and legal en-passant captures
are. The key hashes exactly the words that hold these, so nothing has to be updated move by move.
"""

from typing import Final

import numpy as np

from agent.compilation import inlined
from agent.rules.bits import NOTHING, Words, u64
from agent.rules.record import IDENTITY, MAX_REPETITIONS, STATE

_FACTORS: Final = np.array(
    # Odd, otherwise random.
    [
        0x9E3779B97F4A7C15,
        0xBF58476D1CE4E5B9,
        0x94D049BB133111EB,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
        0x8EBC6AF09C88C6E3,
        0x589965CC75374CC3,
    ],
    np.uint64,
)
_MIX: Final = u64(0xFF51AFD7ED558CCD)
_FACTORS.setflags(write=False)


@inlined
def repetition_key(position: Words) -> np.uint64:
    """Hash of the position without clocks and repetitions: the sum of one permutation a word."""
    key = NOTHING
    for word in range(8):
        value = position[word] & IDENTITY if word == STATE else position[word]
        value = (value + _FACTORS[word]) * _FACTORS[word]
        value = (value ^ (value >> u64(32))) * _MIX
        key += (value ^ (value >> u64(29))) * _FACTORS[7 - word]
    return key ^ (key >> u64(32))


@inlined
def count_repetitions(key: np.uint64, keys: Words, game: np.int64, length: np.int64) -> np.uint64:
    """How often `key`, after the `length` positions `keys[game]` of a game, occurred in them; at most 4.

    Only every second position has the same side to move, and the nearest that can return to is four
    plies back.
    """
    count = NOTHING
    for earlier in range(length - 4, -1, -2):
        if keys[game, earlier] == key:
            count += u64(1)
            if count == MAX_REPETITIONS:
                break
    return count
