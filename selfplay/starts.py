"""Where a self-play game begins: mostly after a random opening, now and then in the book or in an endgame.

Games that all begin alike teach one game many times. Games between equals are rarely won in the endgames that a
beginner cannot win, so some begin there: a few pieces on an open board, often against a bare king.
"""

from dataclasses import dataclass
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from agent import rules
from selfplay.book import book
from selfplay.openings import random_opening

_STRONG: Final = ("Q", "R", "RR", "QR", "BB", "BN", "QN", "QB", "RN", "RB", "P", "PP", "QP", "RP", "BP", "NP", "RPP")
"""Pieces of the stronger side; half of the time the other has a bare king,"""
_WEAK: Final = ("P", "PP", "N", "B", "R", "NP", "BP", "RP", "Q")
"""else one of these."""


@dataclass(frozen=True)
class StartSettings:
    """How games begin."""

    opening_plies: int = 0
    """Most random plies before the policy takes over; each game draws 0..opening_plies."""
    book_share: float = 0.0
    """Share of games that begin with a line of the book of balanced openings, then as many random plies."""
    endgame_share: float = 0.0
    """Share of games that begin in a random endgame."""

    def __post_init__(self) -> None:
        if min(self.book_share, self.endgame_share) < 0 or self.book_share + self.endgame_share > 1:
            raise ValueError(
                f"book_share {self.book_share} and endgame_share {self.endgame_share} are shares of all games: "
                "at least 0, at most 1 together"
            )


@dataclass(frozen=True)
class Start:
    """The beginning of one game."""

    position: NDArray[np.uint64]
    """[WORDS] packed."""
    moves: list[int]
    """Vocabulary indices played from there before the policy takes over."""


def draw_start(settings: StartSettings, seed: int, draw: int) -> Start:
    """The start that `seed` (int64 >= 0) and `draw` (64 random bits) fix; it always has a legal move.

    Without book and endgames the opening is `random_opening(seed, draw modulo opening_plies + 1)`.
    """
    plies = draw % (settings.opening_plies + 1)
    if not settings.book_share and not settings.endgame_share:
        return Start(rules.start(1)[0], random_opening(seed, plies))
    generator = np.random.default_rng([seed, draw])
    chance = generator.random()
    if chance < settings.endgame_share:
        return Start(random_endgame(generator), [])
    if chance < settings.endgame_share + settings.book_share:
        line = book()[generator.integers(len(book()))]
        return Start(rules.start(1)[0], random_opening(seed, plies, after=line))
    return Start(rules.start(1)[0], random_opening(seed, plies))


def random_endgame(generator: np.random.Generator) -> NDArray[np.uint64]:
    """[WORDS] a legal position of kings and a few pieces, with a legal move and no outcome yet; either side to move."""
    while True:
        strong = _STRONG[generator.integers(len(_STRONG))]
        weak = "" if generator.random() < 0.5 else _WEAK[generator.integers(len(_WEAK))]
        stronger = bool(generator.integers(2))
        board = chess.Board(None)
        board.turn = bool(generator.integers(2))
        squares = generator.permutation(64).tolist()
        for colour, symbols in ((stronger, "K" + strong), (not stronger, "K" + weak)):
            for symbol in symbols:
                square = squares.pop()
                while symbol == "P" and chess.square_rank(square) in (0, 7):
                    square = squares.pop()
                board.set_piece_at(square, chess.Piece(chess.Piece.from_symbol(symbol).piece_type, colour))
        if board.is_valid() and board.outcome() is None:
            return rules.from_board(board)
