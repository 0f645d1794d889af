"""Questions about B positions at once: side to move, check, material, attacks, repetition keys."""

import numpy as np
from numpy.typing import NDArray

from agent.compilation import inlined, njit
from agent.rules.attacks import KING, knights_attacks, pawns_attacks_down, pawns_attacks_up, slider_attacks
from agent.rules.bits import Words, lowest, popcount, u64
from agent.rules.boundary import checked
from agent.rules.movegen import in_check as in_check_of
from agent.rules.record import BISHOPS, BLACK, KINGS, KNIGHTS, OWN, PAWNS, PIECE_VALUES, QUEENS, ROOKS, STATE, occupied
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
def _attacks(positions: Words, own: NDArray[np.uint64], opponent: NDArray[np.uint64]) -> None:
    for i in range(positions.shape[0]):
        position = positions[i]
        everyone = occupied(position)
        mine = position[OWN]
        queens = position[QUEENS]
        straight, diagonal = position[ROOKS] | queens, position[BISHOPS] | queens
        attacked = slider_attacks(straight & mine, diagonal & mine, everyone)
        attacked |= knights_attacks(position[KNIGHTS] & mine) | pawns_attacks_up(position[PAWNS] & mine)
        own[i] = attacked | KING[lowest(position[KINGS] & mine) & u64(63)]
        attacked = slider_attacks(straight & ~mine, diagonal & ~mine, everyone)
        attacked |= knights_attacks(position[KNIGHTS] & ~mine)
        attacked |= pawns_attacks_down(position[PAWNS] & ~mine)
        opponent[i] = attacked | KING[lowest(position[KINGS] & ~mine) & u64(63)]


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


def attacks(positions: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Squares attacked by the side to move and by the opponent: two bitboards uint64 [B], as it sees them."""
    positions = checked(positions)
    own, opponent = np.empty(len(positions), np.uint64), np.empty(len(positions), np.uint64)
    _attacks(positions, own, opponent)
    return own, opponent


def keys(positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Repetition keys uint64 [B]: equal for equal positions, whatever their clocks."""
    positions = checked(positions)
    hashes = np.empty(len(positions), np.uint64)
    _keys(positions, hashes)
    return hashes
