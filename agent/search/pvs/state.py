"""Everything a principal-variation search keeps between two calls: its stack, its tables, its counters.

The search is a loop over a stack of frames, one a ply, because a recursive function crashes when Numba loads it from
its cache, and because a loop can stop anywhere and go on later."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.rules.bits import Counts, Floats, Moves, Words
from agent.rules.layout import WORDS
from agent.rules.movegen import ROW
from agent.search.pvs.margins import DEFAULTS, MARGINS
from agent.search.pvs.table import Table, make_table
from agent.vocabulary import SIZE

DEEPEST: Final = 120  # plies below the root that the stack has room for
LINE: Final = 32  # longest line that is reported, in plies

FRAME: Final = np.dtype(
    [
        ("alpha", np.int32),  # best score found so far here, or what the parent has already
        ("beta", np.int32),  # from here on the parent does not want this position
        ("bound", np.int32),  # alpha at the beginning
        ("best", np.int32),
        ("static", np.int32),  # score by the network alone; UNKNOWN before it was asked
        ("depth", np.int32),  # plies left; 0 and below: captures only
        ("count", np.int32),  # moves
        ("place", np.int32),  # of the next move
        ("tried", np.int32),  # moves searched
        ("reduction", np.int32),  # of the move that is being searched
        ("move", np.int32),  # that is being searched
        ("best_move", np.int32),
        ("hash_move", np.int32),
        ("stage", np.int32),  # where to go on
        ("check", np.int32),  # whether the side to move is in check
        ("no_null", np.int32),  # whether a null move led here
    ],
    align=True,
)

# Counters in `Search.state`.
PLY: Final = 0
NODES: Final = 1
VALUE: Final = 2  # score of the position that was left last, seen by its own side
BASE: Final = 3  # positions of the game before the root
AGE: Final = 4
SELECTIVE: Final = 5  # the most plies below the root so far
ROOT_NODES: Final = 6  # nodes when the present root move was begun
ROOT_DEPTH: Final = 7
FULL_WIDTH: Final = 8  # 1: nothing is pruned or reduced, as when a mate is to be proven


class Search(NamedTuple):
    """The memory of one search. P = DEEPEST + 2 plies."""

    frames: NDArray[Any]  # [P] of FRAME
    positions: Words  # [P, WORDS]
    moves: Moves  # [P, ROW] those tried in the order of searching, then the rest
    ranks: Floats  # [P, ROW] what they are ordered by
    lines: Moves  # [P, P] best line from each ply
    lengths: Counts  # [P] of the lines
    keys: Words  # [history + P] of the game and the line
    killers: Moves  # [P, 2] quiet moves that refuted a sibling
    history: NDArray[np.int32]  # [2, 1880] quiet moves that refuted anything, by the side that moves
    effort: NDArray[np.int64]  # [1880] nodes below each root move
    replies: Moves  # [1880, LINE] the root move's line when it was last searched, padded by NO_MOVE
    bounds: NDArray[np.int32]  # [1880] its score then: at most that, unless it was the best
    logits: Floats  # [ROW] of the position that was evaluated last
    targets: Words  # [64]
    table: Table
    state: NDArray[np.int64]  # [9] counters
    margins: NDArray[Any]  # [1] of MARGINS


def make_search(megabytes: int) -> Search:
    """Empty memory, of which the transposition table takes `megabytes`."""
    plies = DEEPEST + 2
    return Search(
        frames=np.zeros(plies, FRAME),
        positions=np.zeros((plies, WORDS), np.uint64),
        moves=np.zeros((plies, ROW), np.uint16),
        ranks=np.zeros((plies, ROW), np.float32),
        lines=np.zeros((plies, plies), np.uint16),
        lengths=np.zeros(plies, np.int32),
        keys=np.zeros(4096, np.uint64),
        killers=np.zeros((plies, 2), np.uint16),
        history=np.zeros((2, SIZE), np.int32),
        effort=np.zeros(SIZE, np.int64),
        replies=np.zeros((SIZE, LINE), np.uint16),
        bounds=np.zeros(SIZE, np.int32),
        logits=np.zeros(ROW, np.float32),
        targets=np.zeros(64, np.uint64),
        table=make_table(megabytes),
        state=np.zeros(9, np.int64),
        margins=np.array([tuple(DEFAULTS.values())], MARGINS),
    )
