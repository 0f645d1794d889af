"""The warm-up: compiles all of the agent's Numba code, or loads it from the cache of `kernels.compilation`."""

from collections.abc import Callable, Iterable
from typing import Final

from kernels.compilation import base_folder, bit_intrinsic, cache_folder, inlined, njit, try_lock, watched

__all__ = [
    "base_folder", "bit_intrinsic", "cache_folder", "inlined", "njit", "on_warm_up", "try_lock", "warm_up",
]  # fmt: skip

_exercises: Final[list[Callable[[], None]]] = []


def on_warm_up(exercise: Callable[[], None]) -> Callable[[], None]:
    """Register `exercise`, which calls compiled code with the types it is used with; a decorator."""
    _exercises.append(exercise)
    return exercise


def warm_up(
    progress: Callable[[str], None] | None = None, exercises: Iterable[Callable[[], object]] | None = None
) -> int:
    """Compile, or load from the cache, the compiled code of all modules imported so far, or of `exercises` alone.
    Returns how many functions had to be compiled. `progress` gets a line of text for each module of theirs. Several
    processes may call this at once: one compiles, the others wait and load."""
    with watched(progress) as compilations:
        for exercise in _exercises if exercises is None else exercises:
            exercise()
    return compilations.count
