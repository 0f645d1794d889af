"""How a self-play game begins: after random moves, or with a side far ahead. Games that all begin alike teach one game
many times."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from agent import rules
from kernels.splitmix import mix
from selfplay.settings import SelfplaySettings

LEAD: Final = 5  # least pawns' worth by which a side is ahead after a decisive opening: a rook
MOST: Final = 20  # largest lead asked for: little is left of the other side, as in games against a random player
LONGEST: Final = 100  # plies after which a decisive opening is drawn again; for `MOST` half of them have at most 33


def draw_opening(settings: SelfplaySettings, seed: int, draw: int) -> list[int]:
    """Vocabulary indices of the moves that `seed` (int64 >= 0) and `draw` (64 random bits) fix; a legal move always
    follows them. Without decisive openings they are `random_opening(seed, draw modulo opening_plies + 1)`."""
    if settings.decisive_share > 0:
        # Scrambled once more: the seed itself goes on to draw the moves.
        chance = int(mix(np.array([seed], np.int64)).view(np.uint64)[0] >> np.uint64(11)) * 2.0**-53
        if chance < settings.decisive_share:
            return decisive_opening(seed, LEAD + draw % (MOST - LEAD + 1))
    return random_opening(seed, draw % (settings.opening_plies + 1))


def random_opening(seed: int, plies: int, *, after: Sequence[int] = ()) -> list[int]:
    """Vocabulary indices of `plies` uniformly random legal moves from the standard start, or behind the line `after`.
    An opening that ends the game is drawn again, so the position after it always has a legal move. The same seed, any
    int64, gives the same opening, which begins with `after`."""
    generator = np.random.default_rng(abs(seed))
    while True:
        position = rules.start(1)
        moves = list(after)
        for move in moves:
            rules.play(position, np.array([move], np.uint16))
        for _ in range(plies):
            indices, counts = rules.legal_moves(position)
            if counts[0] == 0:
                break
            moves.append(int(indices[0, generator.integers(counts[0])]))
            rules.play(position, np.array([moves[-1]], np.uint16))
        if len(moves) == len(after) + plies and rules.outcome(position, claim_draws=True)[0] == rules.Termination.NONE:
            return moves


def decisive_opening(seed: int, lead: int = LEAD) -> list[int]:
    """Moves from the standard start after which the side to move is at least `lead` pawns' worth ahead.

    One side, drawn by the seed, takes what gains most at once; the other moves at random and had the last word, so
    the lead is not a capture that is about to be taken back by it. Legal moves all, so a record of the game needs
    nothing new; like a random opening it never ends the game. The same seed, any int64, gives the same
    opening; the lead is 1 to 20."""
    generator = np.random.default_rng(abs(seed))
    strong = int(generator.integers(2))
    while True:
        position = rules.start(1)
        moves: list[int] = []
        while len(moves) < LONGEST:
            ours = len(moves) % 2 == strong
            if rules.outcome(position, claim_draws=True)[0] != rules.Termination.NONE:
                break
            if ours and rules.material(position)[0] >= lead:
                return moves
            indices, counts = rules.legal_moves(position)
            choices = indices[0, : counts[0]]
            if ours:
                after = np.repeat(position, len(choices), axis=0)
                rules.play(after, choices)
                # After the move the other side is to move: the least material of theirs is the most of ours.
                balance = rules.material(after)
                choices = choices[balance == balance.min()]
            moves.append(int(choices[generator.integers(len(choices))]))
            rules.play(position, np.array(moves[-1:], np.uint16))
