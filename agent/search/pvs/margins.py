"""The constants of the search, as one array that a tuner can change without compiling."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Margins = NDArray[np.float64]

DEFAULTS: Final = {
    # Scores, see `scores.SCALE`.
    "reverse": 80.0,  # a ply: a position that is better than beta by this needs no search ...
    "reverse_depth": 6.0,  # ... up to this depth
    "reverse_better": 0.0,  # taken off where the score is better than two plies ago
    "futile": 120.0,  # a quiet move is skipped where this ...
    "futile_slope": 90.0,  # ... and this a ply could not lift the position above alpha
    "delta": 250.0,  # a capture is skipped where it and this could not
    # Null move: plies that the reply is searched less deep.
    "null": 3.0,
    # Quiet moves after the first `late` + depth^2 are skipped up to depth `shallow`.
    "late": 3.0,
    "shallow": 4.0,
    "late_worse": 1.0,  # times as many where the score is no better than two plies ago
    "skip": 1000.0,  # quiet moves of a rank below this ...
    "skip_slope": 0.0,  # and this a ply are skipped there as well
    "bad_capture_depth": 0.0,  # captures that lose material are skipped up to this depth
    # Late moves are searched less deep by reduce + ln(depth) ln(number) / reduce_divisor plies ...
    "reduce": 0.4,
    "reduce_divisor": 2.1,
    "likely": -1.5,  # ... one less above this rank,
    "unlikely": -5.0,  # one more below this one,
    "reduce_rank": 0.0,  # this more for each point of rank below 0,
    "reduce_worse": 0.0,  # this more where the score is no better than two plies ago.
    # Ranks are the logits of the policy, 0 for the likeliest move, and:
    "killer": 3.0,
    "history": 4000.0,  # a move's history counts 1 for as much as this
    "bad_capture": 1.0,  # taken off a capture that loses material
    "no_hash_move": 4.0,  # from this depth on, a position without a known move is searched a ply less deep
}
(
    REVERSE, REVERSE_DEPTH, REVERSE_BETTER, FUTILE, FUTILE_SLOPE, DELTA, NULL, LATE, SHALLOW, LATE_WORSE, SKIP,
    SKIP_SLOPE, BAD_CAPTURE_DEPTH, REDUCE, REDUCE_DIVISOR, LIKELY, UNLIKELY, REDUCE_RANK, REDUCE_WORSE, KILLER,
    HISTORY, BAD_CAPTURE, NO_HASH_MOVE,
) = range(len(DEFAULTS))  # fmt: skip
