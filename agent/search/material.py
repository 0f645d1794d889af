"""An evaluator without weights, compiled: material as the value, captures before quiet moves as the prior.

For tests and for timing the search alone.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.networks.contract import CompiledEvaluator
from agent.rules.batch import material_of
from agent.rules.bits import ONE, Words, u64
from agent.rules.record import occupied
from agent.vocabulary import TO


@njit
def evaluate_material(
    position: Words, moves: NDArray[np.uint16], count: np.int64, _parameters: Any, _scratch: Any, logits: Any
) -> np.float32:
    """See `CompiledEvaluator`: tanh of a tenth of the balance in pawns; a capture has 1 nat more than another move."""
    everyone = occupied(position)
    for i in range(count):
        logits[i] = np.float32((everyone >> u64(TO[moves[i]])) & ONE)
    return np.float32(math.tanh(0.1 * material_of(position)))


def material_evaluator() -> CompiledEvaluator:
    """The evaluator."""
    return CompiledEvaluator(evaluate_material, 0, 0)
