"""Bitboards: 64-bit words with bit 0 = a1, bit 7 = h1, bit 63 = h8, and what is done to them.

All words in compiled code are uint64. Mixed with a signed integer they would become float64 and lose bits, so every
shift count and constant is written `u64(...)`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import bit_intrinsic

u64 = np.uint64
Words = NDArray[np.uint64]  # bitboards, packed positions, keys
Moves = NDArray[np.uint16]  # vocabulary indices
Counts = NDArray[np.int32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

NOTHING: Final = u64(0)
ONE: Final = u64(1)
EVERYWHERE: Final = u64(0xFFFFFFFFFFFFFFFF)
RANK_3: Final = u64(0xFF << 16)
RANK_7: Final = u64(0xFF << 48)
RANK_8: Final = u64(0xFF << 56)
NOT_FILE_A: Final = u64(~0x0101010101010101 & 0xFFFFFFFFFFFFFFFF)
NOT_FILE_H: Final = u64(~0x8080808080808080 & 0xFFFFFFFFFFFFFFFF)
NOT_FILES_AB: Final = u64(~0x0303030303030303 & 0xFFFFFFFFFFFFFFFF)
NOT_FILES_GH: Final = u64(~0xC0C0C0C0C0C0C0C0 & 0xFFFFFFFFFFFFFFFF)
LIGHT_SQUARES: Final = u64(0x55AA55AA55AA55AA)
DARK_SQUARES: Final = u64(0xAA55AA55AA55AA55)

popcount = bit_intrinsic("ctpop")
"""Number of set bits."""
lowest = bit_intrinsic("cttz")
"""Square of the lowest set bit; 64 for an empty board."""
mirror = bit_intrinsic("bswap")
"""The board turned top to bottom: rank 1 becomes rank 8."""
