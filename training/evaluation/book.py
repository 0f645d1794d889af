"""Balanced openings for matches: well-known lines of eight plies, in which neither side has gone wrong yet.

Random openings make games that one side has lost before it moves; these measure players. Every opening is played twice,
with colours exchanged.
"""

import functools
from typing import Final

import chess

from agent import vocabulary

PLIES: Final = 8
"""Length of each line."""

_LINES: Final = """
e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6
e4 e5 Nf3 Nc6 Bb5 Nf6 O-O Nxe4
e4 e5 Nf3 Nc6 Bc4 Bc5 c3 Nf6
e4 e5 Nf3 Nc6 Bc4 Nf6 d3 Be7
e4 e5 Nf3 Nc6 d4 exd4 Nxd4 Nf6
e4 e5 Nf3 Nc6 d4 exd4 Nxd4 Bc5
e4 e5 Nf3 Nc6 Nc3 Nf6 Bb5 Bb4
e4 e5 Nf3 Nf6 Nxe5 d6 Nf3 Nxe4
e4 e5 Nf3 Nf6 d4 Nxe4 Bd3 d5
e4 e5 Nf3 d6 d4 exd4 Nxd4 Nf6
e4 e5 Nc3 Nf6 g3 d5 exd5 Nxd5
e4 e5 Nc3 Nf6 Bc4 Nc6 d3 Bb4
e4 e5 Bc4 Nf6 d3 c6 Nf3 d5
e4 c5 Nf3 d6 d4 cxd4 Nxd4 Nf6
e4 c5 Nf3 Nc6 d4 cxd4 Nxd4 Nf6
e4 c5 Nf3 Nc6 d4 cxd4 Nxd4 g6
e4 c5 Nf3 e6 d4 cxd4 Nxd4 a6
e4 c5 Nf3 e6 d4 cxd4 Nxd4 Nc6
e4 c5 Nf3 Nc6 Bb5 g6 O-O Bg7
e4 c5 Nf3 d6 Bb5+ Bd7 Bxd7+ Qxd7
e4 c5 c3 Nf6 e5 Nd5 d4 cxd4
e4 c5 c3 d5 exd5 Qxd5 d4 Nf6
e4 c5 Nc3 Nc6 g3 g6 Bg2 Bg7
e4 e6 d4 d5 Nc3 Nf6 Bg5 Be7
e4 e6 d4 d5 Nc3 Bb4 e5 c5
e4 e6 d4 d5 Nd2 Nf6 e5 Nfd7
e4 e6 d4 d5 Nd2 c5 exd5 exd5
e4 e6 d4 d5 e5 c5 c3 Nc6
e4 e6 d4 d5 exd5 exd5 Nf3 Nf6
e4 c6 d4 d5 Nc3 dxe4 Nxe4 Bf5
e4 c6 d4 d5 Nc3 dxe4 Nxe4 Nd7
e4 c6 d4 d5 e5 Bf5 Nf3 e6
e4 c6 d4 d5 exd5 cxd5 Bd3 Nc6
e4 c6 Nc3 d5 Nf3 Bg4 h3 Bxf3
e4 d5 exd5 Qxd5 Nc3 Qa5 d4 Nf6
e4 d6 d4 Nf6 Nc3 g6 Nf3 Bg7
e4 g6 d4 Bg7 Nc3 d6 Be3 a6
e4 Nf6 e5 Nd5 d4 d6 Nf3 Bg4
d4 d5 c4 e6 Nc3 Nf6 Bg5 Be7
d4 d5 c4 e6 Nf3 Nf6 Nc3 c6
d4 d5 c4 e6 Nc3 c5 cxd5 exd5
d4 d5 c4 e6 Nc3 Nf6 cxd5 exd5
d4 d5 c4 c6 Nf3 Nf6 Nc3 dxc4
d4 d5 c4 c6 Nc3 Nf6 e3 e6
d4 d5 c4 c6 Nf3 Nf6 e3 Bf5
d4 d5 c4 dxc4 Nf3 Nf6 e3 e6
d4 d5 Nf3 Nf6 Bf4 c5 e3 Nc6
d4 d5 Nf3 Nf6 e3 e6 Bd3 c5
d4 Nf6 c4 e6 Nc3 Bb4 e3 O-O
d4 Nf6 c4 e6 Nc3 Bb4 Qc2 O-O
d4 Nf6 c4 e6 Nf3 b6 g3 Bb7
d4 Nf6 c4 e6 Nf3 b6 g3 Ba6
d4 Nf6 c4 e6 g3 d5 Bg2 Be7
d4 Nf6 c4 e6 Nf3 Bb4+ Bd2 Qe7
d4 Nf6 c4 g6 Nc3 Bg7 e4 d6
d4 Nf6 c4 g6 Nc3 d5 cxd5 Nxd5
d4 Nf6 c4 g6 Nf3 Bg7 g3 O-O
d4 Nf6 c4 g6 Nc3 d5 Nf3 Bg7
d4 Nf6 c4 c5 d5 e6 Nc3 exd5
d4 Nf6 Bg5 e6 e4 h6 Bxf6 Qxf6
d4 Nf6 Nf3 g6 Bf4 Bg7 e3 O-O
d4 f5 g3 Nf6 Bg2 e6 Nf3 Be7
d4 f5 c4 Nf6 g3 g6 Bg2 Bg7
c4 e5 Nc3 Nf6 Nf3 Nc6 g3 d5
c4 e5 Nc3 Nf6 g3 d5 cxd5 Nxd5
c4 c5 Nf3 Nf6 Nc3 Nc6 g3 g6
c4 c5 Nc3 Nc6 g3 g6 Bg2 Bg7
c4 Nf6 Nc3 e6 e4 d5 e5 d4
c4 e6 Nf3 d5 g3 Nf6 Bg2 Be7
c4 c6 Nf3 d5 g3 Nf6 Bg2 Bg4
Nf3 d5 g3 Nf6 Bg2 c6 O-O Bg4
Nf3 d5 g3 Nf6 Bg2 g6 O-O Bg7
Nf3 Nf6 g3 g6 Bg2 Bg7 O-O O-O
Nf3 Nf6 c4 b6 g3 Bb7 Bg2 e6
b3 e5 Bb2 Nc6 e3 d5 Bb5 Bd6
g3 d5 Bg2 e5 d3 Nf6 Nf3 Nc6
"""


@functools.cache
def book() -> tuple[tuple[int, ...], ...]:
    """Every line as vocabulary indices, each seen by who moves."""
    return tuple(_indices(line.split()) for line in _LINES.strip().splitlines())


def _indices(line: list[str]) -> tuple[int, ...]:
    board, indices = chess.Board(), []
    for san in line:
        move = board.parse_san(san)
        indices.append(vocabulary.from_uci(move.uci(), black=board.turn == chess.BLACK))
        board.push(move)
    return tuple(indices)
