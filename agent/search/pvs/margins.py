"""The constants of the search, as one record that can change without compiling. SPSA found them, see docs/log.md."""

from typing import Final

import numpy as np

DEFAULTS: Final = {
    # Scores, see `scores.SCALE`.
    "reverse": 140.0,  # a ply: a position that is better than beta by this needs no search ...
    "reverse_depth": 4.0,  # ... up to this depth
    "futile": 207.0,  # a quiet move is skipped where this ...
    "futile_slope": 53.0,  # ... and this a ply could not lift the position above alpha
    "delta": 97.0,  # a capture is skipped where it and this could not
    # Null move: plies that the reply is searched less deep.
    "null": 2.0,
    # Up to depth `shallow` these are skipped: quiet moves after the first `late` + depth^2, ...
    "shallow": 5.0,
    "late": 3.7,
    "late_worse": 0.365,  # ... times this where the score is no better than two plies ago;
    "skip": 2.32,  # quiet moves of a rank below minus this ...
    "skip_slope": 1.16,  # ... and this a ply; captures that lose material, up to
    "bad_capture_depth": 2.0,
    # Late moves are searched less deep by reduce + ln(depth) ln(number) / reduce_divisor plies ...
    "reduce": 0.87,
    "reduce_divisor": 2.4,
    "reduce_rank": 0.038,  # ... and this for each point of rank below 0,
    "reduce_worse": 1.05,  # and this where the score is no better than two plies ago;
    "likely": -2.6,  # one less above this rank,
    "unlikely": -6.5,  # one more below this one.
    # Ranks are the logits of the policy, 0 for the likeliest move, and:
    "killer": 3.56,
    "history": 2270.0,  # a move's history counts 1 for as much as this
    "bad_capture": 1.2,  # taken off a capture that loses material
    "no_hash_move": 6.0,  # from this depth on, a position without a known move is searched a ply less deep
}
WHOLE: Final = {"null", "reverse_depth", "shallow", "bad_capture_depth", "no_hash_move"}  # those that act as integers
MARGINS: Final = np.dtype([(name, np.float64) for name in DEFAULTS])  # a record of them, for compiled code
