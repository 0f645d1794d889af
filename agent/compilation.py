"""The warm-up: compiles all of the agent's Numba code, or loads it from the cache of `kernels.compilation`."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from kernels.compilation import base_folder, bit_intrinsic, cache_folder, inlined, locked, njit, watched

__all__ = [
    "WarmUp", "base_folder", "bit_intrinsic", "cache_folder", "inlined", "locked", "njit", "on_warm_up", "warm_up",
]  # fmt: skip

_exercises: Final[list[Callable[[], None]]] = []


class WarmUp(NamedTuple):
    """What `warm_up` did."""

    cached: bool  # whether all of it came from the cache on disk and nothing had to be compiled
    compiled: int  # how many functions were compiled


def on_warm_up(exercise: Callable[[], None]) -> Callable[[], None]:
    """Register `exercise`, which calls compiled code with the types it is used with; a decorator."""
    _exercises.append(exercise)
    return exercise


def warm_up(
    progress: Callable[[str], None] | None = None, exercises: Iterable[Callable[[], object]] | None = None
) -> WarmUp:
    """Compile, or load from the cache, the compiled code of all modules imported so far, or of `exercises` alone.

    `progress` gets a line of text for each module that has to be compiled, none when all is cached.
    Several processes may call this at once: one compiles, the others wait and load.
    """
    with watched(progress) as compilations:
        for exercise in _exercises if exercises is None else exercises:
            exercise()
    return WarmUp(compilations.count == 0, compilations.count)
