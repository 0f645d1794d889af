"""Questions about B positions at once: side to move, check, material, repetition keys."""

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined, njit
from agent.rules.bits import Words, popcount
from agent.rules.boundary import checked
from agent.rules.movegen import in_check as in_check_of
from agent.rules.record import BLACK, OWN, PIECE_VALUES, STATE
from agent.rules.repetition import repetition_key


@njit
def _checks(positions: Words, checks: NDArray[np.bool_]) -> None:
    for i in range(positions.shape[0]):
        checks[i] = in_check_of(positions[i])


@inlined
def material_of(position: Words) -> np.int64:
    """Material of the side to move minus the opponent's in one position, by `PIECE_VALUES`."""
    own = position[OWN]
    total = np.int64(0)
    for kind in range(len(PIECE_VALUES)):
        pieces = position[kind]
        total += PIECE_VALUES[kind] * (np.int64(popcount(pieces & own)) - np.int64(popcount(pieces & ~own)))
    return total


@njit
def _material(positions: Words, balance: NDArray[np.int32]) -> None:
    for i in range(positions.shape[0]):
        balance[i] = material_of(positions[i])


@njit
def _keys(positions: Words, keys: Words) -> None:
    for i in range(positions.shape[0]):
        keys[i] = repetition_key(positions[i])


def is_black(positions: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether Black is to move, bool [B]."""
    black: NDArray[np.bool_] = (checked(positions)[:, STATE] & BLACK) != 0
    return black


def in_check(positions: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether the side to move is in check, bool [B]."""
    positions = checked(positions)
    checks = np.empty(len(positions), np.bool_)
    _checks(positions, checks)
    return checks


def material(positions: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Material of the side to move minus the opponent's, int32 [B], by `PIECE_VALUES`."""
    positions = checked(positions)
    balance = np.empty(len(positions), np.int32)
    _material(positions, balance)
    return balance


def keys(positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Repetition keys uint64 [B]: equal for equal positions, whatever their clocks."""
    positions = checked(positions)
    hashes = np.empty(len(positions), np.uint64)
    _keys(positions, hashes)
    return hashes
