"""Compiling a search for a network that is itself compiled: no Python inside.

And such an evaluator without weights, for tests and for timing the search alone."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from agent.compilation import cache_folder, njit
from agent.networks.contract import CompiledEvaluator
from agent.rules.batch import material_of
from agent.rules.bits import ONE, Moves, Words, u64
from agent.rules.record import occupied
from agent.vocabulary import TO


def unbound(*_arguments: Any) -> Any:
    """Stands for the evaluator in functions that `bound` compiles."""
    raise NotImplementedError("stands for the evaluator that `bound` puts in its place")


@functools.cache
def bound(function: Any, network: Callable[..., Any]) -> Any:
    """`function` compiled with `network` for its global `evaluate`, as if it stood in the network's own module.

    A closure or an argument would be neither cached nor inlined. The machine code is cached in the folder of the
    network's sources, by a name that holds the hash of the function's."""
    source: Any = getattr(network, "py_func", network)
    name = f"{function.__name__}_{cache_folder(Path(function.__code__.co_filename)).name}_with_{source.__name__}"
    code = function.__code__.replace(co_filename=source.__code__.co_filename, co_name=name, co_qualname=name)
    loop = FunctionType(code, {**function.__globals__, "evaluate": network}, name)
    loop.__module__ = source.__module__
    return njit(loop)


@njit
def evaluate_material(
    position: Words, moves: Moves, count: np.int64, _parameters: Any, _scratch: Any, logits: Any
) -> np.float32:
    """See `CompiledEvaluator`: tanh of a tenth of the balance in pawns; a capture has 1 nat more than another move."""
    everyone = occupied(position)
    for i in range(count):
        logits[i] = np.float32((everyone >> u64(TO[moves[i]])) & ONE)
    return np.float32(math.tanh(0.1 * material_of(position)))


def material_evaluator() -> CompiledEvaluator:
    """Material as the value, captures before quiet moves as the prior."""
    return CompiledEvaluator(evaluate_material, 0, 0)
