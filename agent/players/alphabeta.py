"""`alphabeta:N`: a search for material N plies deep, a classical yardstick. Negamax with alpha-beta (Knuth and Moore
1975); captures of the most valuable piece by the least valuable come first. It knows mates, stalemates and insufficient
material; it has no quiescence search and no positional evaluation. Ties at the root are broken at random."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.compilation import njit
from agent.players.player import Choice
from agent.rules import Games
from agent.rules.batch import material_of
from agent.rules.bits import NOTHING, ONE, Integers, Moves, Words, u64
from agent.rules.exchange import kind_on
from agent.rules.layout import PIECE_VALUES, WORDS
from agent.rules.movegen import ROW, find_targets, in_check, write_moves
from agent.rules.record import occupied
from agent.rules.step import make_move
from agent.rules.termination import insufficient_material
from agent.vocabulary import FROM, PLAIN, TO

DEEPEST: Final = 8
_MATE: Final = 10_000
_INFINITE: Final = 20_000
_WORTH: Final = np.array([*PIECE_VALUES, 20], np.int64)  # a king captures last


@njit
def _sort(position: Words, moves: Moves, count: np.int64, ranks: Integers) -> None:
    """Order `moves` [count]: promotions and captures first, the most valuable by the least valuable."""
    everyone = occupied(position)
    for i in range(count):
        move, rank = np.int64(moves[i]), np.int64(0)
        target = ONE << u64(TO[move])
        if everyone & target != NOTHING:
            rank = 100 * _WORTH[kind_on(position, target)] - _WORTH[kind_on(position, ONE << u64(FROM[move]))]
        if move >= PLAIN:
            rank += 800
        place = i
        while place > 0 and ranks[place - 1] < rank:
            ranks[place], moves[place] = ranks[place - 1], moves[place - 1]
            place -= 1
        ranks[place], moves[place] = rank, np.uint16(move)


@njit
def _negamax(lines: Words, moves: Moves, ranks: Integers, targets: Words, depth: np.int64, beta: np.int64) -> np.int64:
    """Value for the side to move of `lines[1]`, `depth` plies deep, if it is below `beta`, else a bound. A loop: a
    recursive function crashes when Numba loads it from its cache. `lines` [D, WORDS], `moves` and `ranks` [D, ROW] are
    overwritten from 1 on."""
    bottom = 1 + depth
    counts, places = np.zeros(bottom + 1, np.int64), np.zeros(bottom + 1, np.int64)
    lows, highs = np.empty(bottom + 1, np.int64), np.empty(bottom + 1, np.int64)
    ply, entering, value = np.int64(1), True, np.int64(0)
    lows[ply], highs[ply] = -_INFINITE, beta
    while True:
        if entering:
            position = lines[ply]
            find_targets(position, targets)
            count = write_moves(position, targets, moves[ply])
            entering = False  # a leaf, unless its moves are to be searched
            if count <= 0:
                value = np.int64(ply - _MATE) if in_check(position) else np.int64(0)
            elif insufficient_material(position):
                value = np.int64(0)
            elif ply == bottom:
                value = material_of(position)
            else:
                _sort(position, moves[ply], count, ranks[ply])
                counts[ply], places[ply], entering = count, 0, True
        if not entering:  # `value` is that of the finished node `ply`
            if ply == 1:
                return value
            ply -= 1
            value = lows[ply] = max(lows[ply], -value)
            places[ply] += 1
            entering = bool(value < highs[ply] and places[ply] < counts[ply])
        if entering:
            make_move(lines[ply], np.int64(moves[ply, places[ply]]), lines[ply + 1])
            lows[ply + 1], highs[ply + 1] = -highs[ply], -lows[ply]
            ply += 1


@njit
def _choose(positions: Words, depth: np.int64, noise: NDArray[np.float64], chosen: Moves, values: Integers) -> None:
    """The best move of each of `positions`; among equals the one with the most `noise` [B, ROW]."""
    lines = np.empty((depth + 2, WORDS), np.uint64)
    moves, ranks = np.empty((depth + 2, ROW), np.uint16), np.empty((depth + 2, ROW), np.int64)
    targets = np.empty(64, np.uint64)
    for game in range(positions.shape[0]):
        lines[0, :] = positions[game]
        find_targets(lines[0], targets)
        count = write_moves(lines[0], targets, moves[0])
        _sort(lines[0], moves[0], count, ranks[0])
        best, luck = np.int64(-_INFINITE), 0.0
        for i in range(count):
            make_move(lines[0], np.int64(moves[0, i]), lines[1])
            # One below the best so far: an equal move must be seen as equal.
            value = -_negamax(lines, moves, ranks, targets, depth - 1, np.int64(1 - best))
            if value > best or (value == best and noise[game, i] > luck):
                best, luck = value, noise[game, i]
                chosen[game], values[game] = moves[0, i], value


class AlphaBetaPlayer:
    """Plays the move that wins the most material within `depth` plies; `seed` chooses among equal moves. Raises
    ValueError: the depth is not in 1..8."""

    def __init__(self, depth: int, seed: int) -> None:
        if not 1 <= depth <= DEEPEST:
            raise ValueError(f"the depth of alphabeta must lie in 1..{DEEPEST}, not {depth}")
        self.name = f"alphabeta:{depth}"
        self._depth, self._generator = depth, np.random.default_rng(seed)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game; values are tanh(balance / 6), or 1 and -1 where a mate is seen."""
        batch = len(games)
        moves, values = np.zeros(batch, np.uint16), np.zeros(batch, np.int64)
        _choose(games.positions, np.int64(self._depth), self._generator.random((batch, ROW)), moves, values)
        return Choice(moves, np.tanh(values / 6).astype(np.float32))
